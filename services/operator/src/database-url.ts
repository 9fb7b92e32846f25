import { Complaint, warnOfUnknownSettings } from "@posthaste/runtime/terminal";
import {
  clearTextWarning,
  closeStore,
  databaseUrl,
  durabilityWarning,
  isStoreAway,
  notOpened,
  openExistingStore,
  openStore,
  parseSealingKeys,
  pendingMigrations,
  pingStore,
  SealError,
  type SealingKeys,
  type Store,
} from "@posthaste/store";

/** Longer than a probe's deadline: the database may be far away, or start only when it is first used. */
const ANSWERS_WITHIN_MS = 15_000;

type Env = Readonly<Record<string, string | undefined>>;
type Run<T> = (store: Store) => Promise<T>;

/**
 * Opens the database that DATABASE_URL names, runs a function on it, and closes it. Lines on standard error
 * say which settings are mistyped, what the server would lose in a power cut, and that the connection is in
 * clear text, if any of it is so.
 *
 * @throws Complaint if the variable is not set or not valid, the database does not answer or is not up to
 *   date, or a secret cannot be sealed or opened; StartError if SQLite's file does not exist;
 *   UnknownMigrations if the database belongs to another release
 */
export async function withDatabase<T>(env: Env, run: Run<T>): Promise<T> {
  return await runOn(openExistingStore, env, async (store) => {
    if ((await pendingMigrations(store)).length > 0) {
      throw new Complaint("the database is not up to date: run npm run migrate first");
    }
    return await run(store);
  });
}

/** Like {@link withDatabase}, for one that is about to be created or brought up to date. */
export async function withDatabaseToMigrate<T>(env: Env, run: Run<T>): Promise<T> {
  return await runOn(openStore, env, run);
}

async function runOn<T>(open: typeof openStore, env: Env, run: Run<T>): Promise<T> {
  warnOfUnknownSettings(env);
  const url = env["DATABASE_URL"];
  if (url === undefined || url === "") {
    throw new Complaint("DATABASE_URL is not set: mysql://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH");
  }
  const store = await open({
    url: checked(url),
    poolSize: 2,
    secretKeys: readSecretKeys(env["POSTHASTE_SECRET_KEYS"]),
    deadlines: { pingMs: ANSWERS_WITHIN_MS },
  }).catch((error: unknown) => {
    throw notOpened("opened", error);
  });
  try {
    await pingStore(store).catch((error: unknown) => {
      throw notOpened("reached", error);
    });
    for (const warning of [clearTextWarning(store), await durabilityWarning(store)]) {
      if (warning !== undefined) console.error(`posthaste: warning: ${warning}`);
    }
    return await run(store);
  } catch (error) {
    if (error instanceof SealError) throw new Complaint(error.message);
    throw isStoreAway(store, error) ? notOpened("used", error) : error;
  } finally {
    await closeStore(store);
  }
}

function checked(url: string): string {
  try {
    return databaseUrl(url);
  } catch (error) {
    throw new Complaint(`DATABASE_URL cannot be used: ${error instanceof Error ? error.message : ""}`);
  }
}

/**
 * Parses the sealing keys in POSTHASTE_SECRET_KEYS.
 *
 * @returns the keys; undefined if the variable is not set, since most commands need none
 * @throws Complaint if they are not valid
 */
export function readSecretKeys(text: string | undefined): SealingKeys | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseSealingKeys(text);
  } catch (error) {
    throw new Complaint(
      `POSTHASTE_SECRET_KEYS: ${error instanceof Error ? error.message : "cannot be read"}`,
    );
  }
}
