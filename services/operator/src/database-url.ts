import { Complaint } from "@posthaste/runtime/terminal";
import {
  closeStore,
  openStore,
  parseSealingKeys,
  pingStore,
  SealError,
  type SealingKeys,
  type Store,
} from "@posthaste/store";

/**
 * Whoever runs a command is more patient than a probe: the database may be far away, or asleep until it is
 * asked.
 */
const ANSWERS_WITHIN_MS = 15_000;

/**
 * Runs something on the database that DATABASE_URL names, and lets go of it.
 *
 * @throws Complaint where the variable is missing, names no database of ours, or one that does not answer
 */
export async function withDatabase<T>(
  env: Readonly<Record<string, string | undefined>>,
  run: (store: Store) => Promise<T>,
): Promise<T> {
  const url = env["DATABASE_URL"];
  if (url === undefined || url === "") {
    throw new Complaint("DATABASE_URL is not set: mysql://USER:PASSWORD@HOST:PORT/NAME, or sqlite:PATH");
  }
  const store = await openStore({
    url,
    poolSize: 2,
    secretKeys: readSecretKeys(env["POSTHASTE_SECRET_KEYS"]),
    deadlines: { pingMs: ANSWERS_WITHIN_MS },
  }).catch((error: Error) => {
    throw new Complaint(`DATABASE_URL cannot be used: ${error.message}`);
  });
  try {
    await pingStore(store).catch((error: Error) => {
      throw new Complaint(`the database does not answer: ${error.message}`);
    });
    return await run(store);
  } catch (error) {
    if (error instanceof SealError) throw new Complaint(error.message);
    throw error;
  } finally {
    await closeStore(store);
  }
}

/**
 * @returns undefined where they are not set: most of what is done to a database needs none
 * @throws Complaint
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
