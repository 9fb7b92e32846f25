import type { AccountId } from "./vocabulary.ts";

/** How what accounts owe is counted. */
export type DebtTerms = {
  /** How long each use is free of charge, in milliseconds. */
  readonly freeMs: number;
  /** The most that an account owes for uses that have ended, in milliseconds. */
  readonly debtMsMax: number;
  /** How many times longer it takes to repay a debt than to run it up. */
  readonly repaidIn: number;
};

/** What accounts owe for the time for which they used something that others wait for, in milliseconds. */
export type Debts<Id = AccountId> = {
  /** Notes that a use has begun. Returns what to call, once, when it has ended. */
  begin(id: Id): () => void;
  /**
   * Charges the account for a use that took this long, or for what it took since the last charge and, before
   * that, `beforeMs`. Returns what was charged.
   */
  charge(id: Id, ms: number, beforeMs?: number): number;
  inProgress(id: Id): number;
  /** Returns what the account owes, including for its uses in progress. */
  of(id: Id): number;
};

/**
 * Creates the debts of accounts. An account owes the time beyond `freeMs` of each of its uses, at most
 * `debtMsMax` for those that have ended. Time repays that, `repaidIn` times slower.
 *
 * An account is forgotten when it owes nothing. Accounts with debts are few, because it takes a use of more
 * than `freeMs` to have one.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createDebts<Id = AccountId>(
  { freeMs, debtMsMax, repaidIn }: DebtTerms,
  now: () => number,
): Debts<Id> {
  /** When each account's uses in progress began. */
  const begun = new Map<Id, Set<{ readonly at: number }>>();
  /** When each account will have repaid what it owes for the uses that ended. */
  const repaidAt = new Map<Id, number>();

  const chargeFor = (ms: number) => Math.max(0, ms - freeMs);
  /** Forgets accounts that owe nothing, beginning with those whose last charge was longest ago. */
  const forget = (nowMs: number) => {
    for (const [id, at] of repaidAt) {
      if (at > nowMs) return;
      repaidAt.delete(id);
    }
  };
  const charge = (id: Id, ms: number, beforeMs = 0) => {
    const nowMs = now();
    forget(nowMs);
    const chargeMs = chargeFor(beforeMs + ms) - chargeFor(beforeMs);
    if (chargeMs === 0) return 0;
    const owedUntil = Math.max(nowMs, repaidAt.get(id) ?? 0) + repaidIn * chargeMs;
    repaidAt.delete(id);
    repaidAt.set(id, Math.min(nowMs + repaidIn * debtMsMax, owedUntil));
    return chargeMs;
  };
  return {
    begin(id) {
      const use = { at: now() };
      const all = begun.get(id) ?? new Set();
      begun.set(id, all.add(use));
      return () => {
        all.delete(use);
        if (all.size === 0) begun.delete(id);
        charge(id, now() - use.at);
      };
    },
    charge,
    inProgress: (id) => begun.get(id)?.size ?? 0,
    of(id) {
      const nowMs = now();
      let owedMs = Math.max(0, (repaidAt.get(id) ?? 0) - nowMs) / repaidIn;
      for (const { at } of begun.get(id) ?? []) owedMs += chargeFor(nowMs - at);
      return owedMs;
    },
  };
}
