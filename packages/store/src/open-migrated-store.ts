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
  openExistingStore,
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
  const store = await openExistingStore(options).catch((error: unknown) => {
    throw notOpened("opened", error);
  });
  try {
    const pending = await pendingMigrations(store);
    if (pending.length > 0) {
      throw new StartError(`the database lacks ${pending.join(", ")}: run npm run migrate`);
    }
    await openNewestSecret(store);
    // Opened now, so that a missing key shows before it is needed, and made now if there is none.
    await store.keySecret();
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

/** What to do about an error, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such host: check the host in DATABASE_URL",
  EAI_AGAIN: "the host's name cannot be looked up: check the host in DATABASE_URL, and the resolver",
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    "it turns the user away: check the user and the password in DATABASE_URL",
  ER_BAD_DB_ERROR: "the server has no such database: create it, or check its name in DATABASE_URL",
  ER_DBACCESS_DENIED_ERROR:
    "it does not exist, or is not the user's to use: check its name in DATABASE_URL, and the user's privileges",
  SQLITE_NOTADB: "its file is not a database of SQLite: check the path in DATABASE_URL",
  SQLITE_CORRUPT: "its file is damaged: restore a backup",
  SQLITE_CANTOPEN: "its file cannot be opened: check the path in DATABASE_URL, and the user's rights",
  ER_TABLEACCESS_DENIED_ERROR: "the user of DATABASE_URL lacks a privilege on its tables",
};

/** Explains why a database was not opened by the error's code. Its message may hold a part of the URL. */
export function notOpened(what: "opened" | "reached" | "used", error: unknown): StartError {
  if (error instanceof StartError) return error;
  const problem = loginProblem(error);
  if (problem !== undefined) {
    return new StartError(`the database cannot be ${what}: ${problem}`, { cause: error });
  }
  const code = codeOf(error);
  const advice = ADVICE[code] ?? "check DATABASE_URL";
  return new StartError(`the database cannot be ${what}${code && ` (${code})`}: ${advice}`, { cause: error });
}
