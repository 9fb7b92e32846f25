import { type AccountId, createDebts, createFairQueue, type DebtTerms } from "@posthaste/domain";

/**
 * How long is computed in one turn of the event loop before everything else that is ready goes on, in
 * milliseconds. What takes longer has a turn of its own. Short computations share one.
 */
const TURN_MS = 2;
/**
 * How long all rest for each millisecond of a turn. An attempt needs many turns of the loop, and would wait
 * for one of these in each. So they get a third of the thread in all, which is more than honest ones need.
 */
const REST_PER_MS = 2;
/**
 * What accounts owe for their computations decides which goes first. It is repaid as fast as an account that
 * is alone runs it up. An account comes after others for three seconds at most for what it owes.
 */
const DEBTS: DebtTerms = { freeMs: 0, debtMsMax: 1_000, repaidIn: 1 + REST_PER_MS };

/** Computes in a turn of the account, and returns the result. */
export type InComputingTurn = <Result>(accountId: AccountId, compute: () => Result) => Promise<Result>;

/**
 * Creates a function that computes in turns of the event loop. If more computations wait, that of the account
 * that owes least is next, and accounts that owe the same take turns. The queue has no bound: each belongs to
 * an attempt, and an account's attempts have a bound.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createComputingTurns(now: () => number = () => performance.now()): InComputingTurn {
  const debts = createDebts(DEBTS, now);
  const waiting = createFairQueue<() => void>();
  let isScheduled = false;
  let restUntil = 0;

  const goOn = () => {
    if (isScheduled || waiting.size() === 0) return;
    isScheduled = true;
    const restMs = restUntil - now();
    if (restMs > 0) setTimeout(takeTurn, restMs);
    else setImmediate(takeTurn);
  };
  const takeTurn = () => {
    const begunAt = now();
    let tookMs = 0;
    while (tookMs < TURN_MS && waiting.size() > 0) {
      waiting.next(undefined, debts.of)?.();
      tookMs = now() - begunAt;
    }
    restUntil = begunAt + tookMs + REST_PER_MS * tookMs;
    isScheduled = false;
    goOn();
  };
  return (accountId, compute) => {
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof compute>>();
    waiting.add(accountId, () => {
      const begunAt = now();
      try {
        resolve(compute());
      } catch (error) {
        reject(error);
      }
      debts.charge(accountId, now() - begunAt);
    });
    goOn();
    return promise;
  };
}
