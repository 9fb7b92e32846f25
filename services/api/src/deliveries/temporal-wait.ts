import { type AccountId, roomToShare } from "@posthaste/domain";

/**
 * How long a call waits for Temporal to do what the database already says. Less than the 4 to 10 seconds that
 * callers usually give a call: otherwise a slow Temporal would leave them without the answer that the request
 * is stored, and each would repeat it.
 */
export const TEMPORAL_WAIT_MS = 3_000;
/**
 * Requests to Temporal under way for one account, and for all. They may outlast their callers; each ends by
 * its own deadlines, within about 15 seconds. Usually one takes some milliseconds. If Temporal is overloaded,
 * more requests would only add to it, and a few accounts must not keep the others from asking.
 */
const UNDER_WAY_MAX = { ofAccount: 100, ofAll: 400 };

/** Waits for an account's request to Temporal, but not longer than a caller can. */
export type TemporalWait = <T>(accountId: AccountId, request: () => Promise<T>) => Promise<T>;

/**
 * Returns `wait`, which sends a request to Temporal and waits for it for at most `waitMs`. The request itself
 * goes on: cut off between its calls, "retry now" would leave the activity paused. `settled` waits until none
 * is under way.
 *
 * `wait` throws the request's error, or an error if the time is up, or, without sending anything, if too many
 * earlier requests are under way. It is for requests that are repeated later.
 */
export function createTemporalWait(waitMs: number): { wait: TemporalWait; settled(): Promise<void> } {
  const underWay = new Set<Promise<unknown>>();
  const ofAccount = new Map<AccountId, number>();
  const count = (accountId: AccountId, by: number) => {
    const counted = (ofAccount.get(accountId) ?? 0) + by;
    if (counted === 0) ofAccount.delete(accountId);
    else ofAccount.set(accountId, counted);
  };
  const send = <T>(accountId: AccountId, request: () => Promise<T>): Promise<T> => {
    count(accountId, 1);
    const sent = request().finally(() => {
      count(accountId, -1);
      underWay.delete(sent);
    });
    underWay.add(sent);
    return sent;
  };
  return {
    async wait(accountId, request) {
      const held = ofAccount.get(accountId) ?? 0;
      const room = roomToShare(held, UNDER_WAY_MAX.ofAll - underWay.size);
      if (held >= UNDER_WAY_MAX.ofAccount || room === 0) {
        const unanswered = `${held} of the account's requests and ${underWay.size} in all`;
        throw new Error(`Temporal has not answered ${unanswered} yet`);
      }
      const sent = send(accountId, request);
      let timer: NodeJS.Timeout | undefined;
      const timeIsUp = new Promise<never>((_resolve, reject) => {
        const error = new Error(`Temporal did not answer within ${waitMs} ms; the request goes on`);
        timer = setTimeout(() => reject(error), waitMs);
      });
      try {
        return await Promise.race([sent, timeIsUp]);
      } finally {
        clearTimeout(timer);
      }
    },
    async settled() {
      await Promise.allSettled(underWay);
    },
  };
}
