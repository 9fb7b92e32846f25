/**
 * How long a call waits for Temporal to do what the database already says. Less than the 4 to 10 seconds that
 * callers usually give a call: otherwise a slow Temporal would leave them without the answer that the request
 * is stored, and each would repeat it.
 */
export const TEMPORAL_WAIT_MS = 3_000;
/**
 * Requests to Temporal that may go on without their callers. Each ends by its own deadlines, within about 15
 * seconds. Temporal is overloaded then, and more requests would only add to it.
 */
const LEFT_BEHIND_MAX = 100;

/** Waits for a request to Temporal, but not longer than a caller can. */
export type TemporalWait = <T>(request: () => Promise<T>) => Promise<T>;

/**
 * Returns a function that sends a request to Temporal and waits for it for at most `waitMs`. The request
 * itself goes on: cut off between its calls, "retry now" would leave the activity paused.
 *
 * The function throws the request's error, or an error if the time is up, or, without sending anything, if
 * too many earlier requests still go on without their callers. It is for requests that are repeated later.
 */
export function createTemporalWait(waitMs: number): TemporalWait {
  let leftBehind = 0;
  return async (request) => {
    if (leftBehind >= LEFT_BEHIND_MAX) {
      throw new Error(`Temporal has not answered ${LEFT_BEHIND_MAX} earlier requests yet`);
    }
    const sent = request();
    let timer: NodeJS.Timeout | undefined;
    const timeIsUp = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        leftBehind += 1;
        const end = () => {
          leftBehind -= 1;
        };
        sent.then(end, end);
        reject(new Error(`Temporal did not answer within ${waitMs} ms; the request goes on`));
      }, waitMs);
    });
    try {
      return await Promise.race([sent, timeIsUp]);
    } finally {
      clearTimeout(timer);
    }
  };
}
