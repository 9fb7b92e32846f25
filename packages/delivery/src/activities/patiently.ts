import { setTimeout as sleep } from "node:timers/promises";

/**
 * The pauses between tries, in milliseconds. Their total, 25 s, is longer than a typical failover of a
 * database.
 */
const PAUSES_MS = [100, 400, 1_500, 3_000, 5_000, 7_000, 8_000];
/**
 * No try begins later than this, in milliseconds after the first. The limit matters if the tries themselves
 * take long: only a deadline detects a database that does not respond. The activity's timeout allows for it.
 */
const BEGUN_WITHIN_MS = 30_000;

/**
 * Retries an operation on Posthaste's own database until it succeeds, for at most 30 s plus the duration of
 * the last try.
 *
 * @param isFinal whether an error comes again however often the operation is tried. Default: none does
 * @throws the error of the last try
 */
export async function patiently<T>(
  operation: () => Promise<T>,
  isFinal: (error: unknown) => boolean = () => false,
): Promise<T> {
  const endAt = performance.now() + BEGUN_WITHIN_MS;
  for (const pauseMs of PAUSES_MS) {
    try {
      return await operation();
    } catch (error) {
      if (isFinal(error) || performance.now() + pauseMs > endAt) throw error;
      await sleep(pauseMs);
    }
  }
  return await operation();
}
