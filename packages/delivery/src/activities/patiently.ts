import { setTimeout as sleep } from "node:timers/promises";

/** The pauses between tries, in milliseconds: about 25 s in all, longer than a database's failover commonly takes. */
const PAUSES_MS = [100, 400, 1_500, 3_000, 5_000, 7_000, 8_000];

/**
 * Tries an operation on our own database again while it fails, for a bounded time.
 *
 * @throws the last error, when patience is over
 */
export async function patiently<T>(operation: () => Promise<T>): Promise<T> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await operation();
    } catch {
      // The last try, after the loop, tells what is wrong.
      await sleep(pauseMs);
    }
  }
  return await operation();
}
