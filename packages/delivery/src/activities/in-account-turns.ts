import { type AccountId, createFairQueue } from "@posthaste/domain";

/**
 * Creates a function that runs pieces of work, at most `atOnce` at a time. If more wait, accounts take turns.
 * The queue has no bound: each piece belongs to an attempt, and an account's attempts have a bound.
 */
export function createTurnsByAccount(
  atOnce: number,
): <Result>(accountId: AccountId, work: () => Promise<Result>) => Promise<Result> {
  const waiting = createFairQueue<() => void>();
  let running = 0;

  const takePlace = async (accountId: AccountId) => {
    if (running < atOnce) running += 1;
    else await new Promise<void>((begin) => waiting.add(accountId, begin));
  };
  const passPlaceOn = () => {
    const begin = waiting.next();
    if (begin === undefined) running -= 1;
    else begin();
  };
  return async (accountId, work) => {
    await takePlace(accountId);
    try {
      return await work();
    } finally {
      passPlaceOn();
    }
  };
}
