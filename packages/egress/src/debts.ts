import type { AccountId } from "@posthaste/domain";

/**
 * How long a lookup may hold its place free of charge. A resolver that works answers in a tenth of that.
 */
const PROMPT_MS = 1_000;
/**
 * The most that an account owes for lookups that have ended, which is about what one takes at the longest. So
 * it has repaid everything after ten minutes.
 */
const DEBT_MS_MAX = 20_000;
/**
 * How many times longer it takes to repay a debt than to run it up. So an account whose lookups are all slow,
 * and which begins none before it owes nothing, holds a place for about a thirtieth of the time.
 */
const REPAID_IN = 30;

/** What accounts owe for the time for which their lookups held places, in milliseconds. */
export type Debts = {
  /** Notes that a lookup has begun. Returns what to call, once, when it has ended. */
  begin(id: AccountId): () => void;
  inProgress(id: AccountId): number;
  /** Returns what the account owes, including for its lookups in progress. */
  of(id: AccountId): number;
};

/**
 * Creates the debts of accounts. An account owes the time beyond {@link PROMPT_MS} of each of its lookups, at
 * most {@link DEBT_MS_MAX} for those that have ended. Time repays that, {@link REPAID_IN} times slower.
 *
 * An account is forgotten when it owes nothing. Accounts with debts are few, because it takes a place for a
 * second to have one: at most as many as there are places for each second of the last ten minutes.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createDebts(now: () => number): Debts {
  /** When each account's lookups in progress began. */
  const begun = new Map<AccountId, Set<{ readonly at: number }>>();
  /** When each account will have repaid what it owes for the lookups that ended. */
  const repaidAt = new Map<AccountId, number>();

  const chargeFor = (at: number, nowMs: number) => Math.max(0, nowMs - at - PROMPT_MS);
  /** Forgets accounts that owe nothing, beginning with those whose last slow lookup ended longest ago. */
  const forget = (nowMs: number) => {
    for (const [id, at] of repaidAt) {
      if (at > nowMs) return;
      repaidAt.delete(id);
    }
  };
  return {
    begin(id) {
      const lookup = { at: now() };
      const all = begun.get(id) ?? new Set();
      begun.set(id, all.add(lookup));
      return () => {
        all.delete(lookup);
        if (all.size === 0) begun.delete(id);
        const nowMs = now();
        forget(nowMs);
        const chargeMs = chargeFor(lookup.at, nowMs);
        if (chargeMs === 0) return;
        const owedUntil = Math.max(nowMs, repaidAt.get(id) ?? 0) + REPAID_IN * chargeMs;
        repaidAt.delete(id);
        repaidAt.set(id, Math.min(nowMs + REPAID_IN * DEBT_MS_MAX, owedUntil));
      };
    },
    inProgress: (id) => begun.get(id)?.size ?? 0,
    of(id) {
      const nowMs = now();
      let owedMs = Math.max(0, (repaidAt.get(id) ?? 0) - nowMs) / REPAID_IN;
      for (const { at } of begun.get(id) ?? []) owedMs += chargeFor(at, nowMs);
      return owedMs;
    },
  };
}
