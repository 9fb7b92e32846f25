import type { AccountId } from "@posthaste/domain";

/**
 * How many times as long as a compilation its account waits for its next one: an account takes up to 5 % of
 * the event loop.
 */
const OWN_WAIT = 19;
/** As much for all accounts: together they take up to 20 %. */
const ALL_WAIT = 4;

/** Bounds the compiling in the event loop, where all accounts wait for it. */
export type CompileBudget = {
  /** Compiles for an account; returns undefined if its next turn has not come yet. */
  spend<T>(accountId: AccountId, compile: () => T): T | undefined;
};

/** @param clockMs a monotonic clock in milliseconds */
export function createCompileBudget(clockMs: () => number): CompileBudget {
  /** Until when accounts wait. Only a few do: each has kept all others waiting, too. */
  const ownUntil = new Map<AccountId, number>();
  let allUntil = Number.NEGATIVE_INFINITY;
  return {
    spend(accountId, compile) {
      const begun = clockMs();
      for (const [id, until] of ownUntil) if (until <= begun) ownUntil.delete(id);
      if (begun < allUntil || ownUntil.has(accountId)) return undefined;
      try {
        return compile();
      } finally {
        const ended = clockMs();
        allUntil = ended + ALL_WAIT * (ended - begun);
        ownUntil.set(accountId, ended + OWN_WAIT * (ended - begun));
      }
    },
  };
}
