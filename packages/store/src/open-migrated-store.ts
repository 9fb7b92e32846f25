import { StartError } from "@posthaste/runtime";
import { codeOf } from "./database/dialect/seam.ts";
import { pendingMigrations } from "./database/migrate.ts";
import { SealError } from "./database/sealer.ts";
import { closeStore, isStoreAway, openStore, type Store, type StoreOptions } from "./database/store.ts";
import { openNewestSecret } from "./subscriptions/signing-keys.ts";

/**
 * Opens a database for a service. The database must be reachable and up to date.
 *
 * @throws StartError that says what is wrong and what to do
 */
export async function openMigratedStore(options: StoreOptions): Promise<Store> {
  const store = await openStore(options).catch((error: Error) => {
    throw new StartError(`the database cannot be opened (${error.message}): check DATABASE_URL`, {
      cause: error,
    });
  });
  try {
    const pending = await pendingMigrations(store);
    if (pending.length > 0) {
      throw new StartError(`the database lacks ${pending.join(", ")}: run npm run migrate`);
    }
    await openNewestSecret(store);
    return store;
  } catch (error) {
    await closeStore(store);
    if (error instanceof SealError) {
      throw new StartError(`${error.message}: set the keys that this database was used with`, {
        cause: error,
      });
    }
    if (!isStoreAway(store, error)) throw error;
    throw new StartError(`the database cannot be reached (${codeOf(error)}): check DATABASE_URL`, {
      cause: error,
    });
  }
}
