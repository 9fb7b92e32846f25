import { type AccountId, createDebts, createFairQueue, type DebtTerms } from "@posthaste/domain";

/**
 * What accounts owe for the time of their tasks decides whose is next. It is repaid as fast as one task at a
 * time runs it up. An account comes after others for one second at most for what it owes.
 */
const DEBTS: DebtTerms = { freeMs: 0, debtMsMax: 1_000, repaidIn: 1 };

/**
 * Runs at most so many tasks at once. The account that owes least is next. Those that owe the same take
 * turns, and the tasks of one keep their order.
 *
 * @param signal aborts when nobody waits for the task any more, which takes it out of the queue
 * @throws the signal's reason; what the task throws
 */
export type Slots = <T>(
  accountId: AccountId,
  run: () => Promise<T>,
  signal: AbortSignal | undefined,
) => Promise<T>;

/**
 * What waits is bounded by the places of the requests that it belongs to.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createSlots(atOnceMax: number, now: () => number = () => performance.now()): Slots {
  const debts = createDebts(DEBTS, now);
  const waiting = createFairQueue<() => void>();
  let running = 0;
  const waitForSlot = async (accountId: AccountId, signal: AbortSignal | undefined) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      waiting.remove(accountId, resolve);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
    waiting.add(accountId, resolve);
    await promise.finally(() => signal?.removeEventListener("abort", leave));
  };
  return async (accountId, run, signal) => {
    signal?.throwIfAborted();
    if (running === atOnceMax) await waitForSlot(accountId, signal);
    else running += 1;
    const end = debts.begin(accountId);
    try {
      return await run();
    } finally {
      end();
      // Whoever ends hands its slot to the next, so nobody can come in between.
      const next = waiting.next(undefined, debts.of);
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
