import { setTimeout as sleep } from "node:timers/promises";

/**
 * The pauses between tries, in milliseconds: 25 s in all, longer than a database's failover commonly takes.
 */
const PAUSES_MS = [100, 400, 1_500, 3_000, 5_000, 7_000, 8_000];
/**
 * No try begins later than this, in milliseconds. It matters where a try takes long itself, since only a
 * deadline tells that a silent database is away. The activity's timeout allows for as much.
 */
const BEGUN_WITHIN_MS = 30_000;

/**
 * Tries an operation on our own database again while it fails: for 30 s at most, and as long as the last try
 * takes.
 *
 * @throws the last error, when patience is over
 */
export async function patiently<T>(operation: () => Promise<T>): Promise<T> {
  const endAt = performance.now() + BEGUN_WITHIN_MS;
  for (const pauseMs of PAUSES_MS) {
    try {
      return await operation();
    } catch (error) {
      if (performance.now() + pauseMs > endAt) throw error;
      await sleep(pauseMs);
    }
  }
  return await operation();
}
