import type { AccountId } from "@posthaste/domain";

/**
 * Creates a function that runs pieces of work, at most `atOnce` at a time. If more wait, accounts take turns.
 * The queue has no bound: each piece belongs to an attempt, and an account's attempts have a bound.
 */
export function createAccountTurns(
  atOnce: number,
): <Result>(accountId: AccountId, work: () => Promise<Result>) => Promise<Result> {
  /** In the order of the turns. Each account has at least one piece that waits. */
  const waiting = new Map<AccountId, (() => void)[]>();
  let running = 0;

  const takePlace = async (accountId: AccountId) => {
    if (running < atOnce) {
      running += 1;
      return;
    }
    await new Promise<void>((begin) => {
      const others = waiting.get(accountId);
      if (others === undefined) waiting.set(accountId, [begin]);
      else others.push(begin);
    });
  };
  const passPlaceOn = () => {
    const [turn] = waiting;
    if (turn === undefined) {
      running -= 1;
      return;
    }
    const [accountId, [begin, ...others]] = turn;
    waiting.delete(accountId);
    // Its next turn comes after those of all other accounts.
    if (others.length > 0) waiting.set(accountId, others);
    begin?.();
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
