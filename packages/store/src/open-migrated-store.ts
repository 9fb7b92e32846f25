import { type Log, StartError } from "@posthaste/runtime";
import { loginProblem } from "./database/dialect/mysql-tls.ts";
import { codeOf } from "./database/dialect/seam.ts";
import { pendingMigrations } from "./database/migrate.ts";
import { SealError } from "./database/sealer.ts";
import {
  clearTextWarning,
  closeStore,
  durabilityWarning,
  isStoreAway,
  openStore,
  type Store,
  type StoreOptions,
} from "./database/store.ts";
import { openNewestSecret } from "./subscriptions/signing-keys.ts";

/**
 * Opens a database for a service. The database must be reachable and up to date. If its server would lose
 * commits in a power cut, one line of the log says so, and one if the connection is in clear text.
 *
 * @throws StartError that says what is wrong and what to do
 */
export async function openMigratedStore(options: StoreOptions, log: Log): Promise<Store> {
  const store = await openStore(options).catch((error: unknown) => {
    throw notOpened("opened", error);
  });
  try {
    const pending = await pendingMigrations(store);
    if (pending.length > 0) {
      throw new StartError(`the database lacks ${pending.join(", ")}: run npm run migrate`);
    }
    await openNewestSecret(store);
    const clearText = clearTextWarning(store);
    if (clearText !== undefined) log.warn("database.clear_text", { warning: clearText });
    const warning = await durabilityWarning(store);
    if (warning !== undefined) log.warn("database.not_durable", { warning });
    return store;
  } catch (error) {
    await closeStore(store);
    if (error instanceof SealError) {
      throw new StartError(`${error.message}: set the keys that this database was used with`, {
        cause: error,
      });
    }
    if (isStoreAway(store, error)) throw notOpened("reached", error);
    throw codeOf(error) === "" ? error : notOpened("opened", error);
  }
}

/** Explains why a database was not opened by the error's code. Its message may hold a part of the URL. */
export function notOpened(what: "opened" | "reached", error: unknown): StartError {
  if (error instanceof StartError) return error;
  const problem = loginProblem(error);
  if (problem !== undefined) {
    return new StartError(`the database cannot be ${what}: ${problem}`, { cause: error });
  }
  const code = codeOf(error) && ` (${codeOf(error)})`;
  return new StartError(`the database cannot be ${what}${code}: check DATABASE_URL`, { cause: error });
}
