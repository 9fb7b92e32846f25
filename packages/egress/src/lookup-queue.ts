import { type AccountId, createDebts, type DebtTerms, roomToShare } from "@posthaste/domain";

/**
 * What accounts owe for the time for which their lookups hold places. A resolver that works answers in a
 * tenth of the free second. The most that is owed is about what one lookup takes at the longest.
 *
 * A lookup of 4 s, which is what a silent name takes, is remembered for ten minutes. So an account that stays
 * away until it owes nothing holds a place for a hundred and fiftieth of the time.
 */
const LOOKUP_DEBTS: DebtTerms = { freeMs: 1_000, debtMsMax: 20_000, repaidIn: 200 };

/** A lookup that begins when its turn comes. */
export type Lookable = {
  readonly hasBegun: boolean;
  /** Begins the lookup. Resolves when it has ended, and never rejects. */
  begin(): Promise<void>;
};

/** Lookups of one kind of name: some in progress, the rest in lines, one for each account. */
export type LookupQueue = {
  /**
   * Begins the lookup, or puts it at the end of the account's line. A lookup may wait in the lines of several
   * accounts; the first turn counts. Returns whether it began or waits: false if too many wait.
   */
  add(lookup: Lookable, accountId: AccountId): boolean;
};

/**
 * Which names a lookup is for: those never looked up (or forgotten), those whose last lookup failed, and
 * those that resolved last time.
 */
export type Kind = "new" | "failed" | "known";

/**
 * Creates a queue for each kind, with `lookupsMax` lookups in progress in all. Each kind has its own places,
 * so that an account's dead names do not hold up its good ones: a fifth for failed names, which are likely to
 * take long again, and two fifths for each of the others. With fewer places than kinds, all share one queue.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createLookupQueues(
  lookupsMax: number,
  waitingMax: number,
  now: () => number,
): Record<Kind, LookupQueue> {
  if (lookupsMax < 3) {
    const one = createLookupQueue(lookupsMax, waitingMax, now);
    return { new: one, failed: one, known: one };
  }
  const failed = Math.max(1, Math.floor(lookupsMax / 5));
  const fresh = Math.floor((lookupsMax - failed) / 2);
  return {
    new: createLookupQueue(fresh, waitingMax, now),
    failed: createLookupQueue(failed, waitingMax, now),
    known: createLookupQueue(lookupsMax - failed - fresh, waitingMax, now),
  };
}

/**
 * Creates a queue with at most `size` lookups in progress and `waitingMax` waiting ones. Accounts share both
 * as `roomToShare` says. A waiting lookup is never dropped: although its attempt may have ended, the next one
 * needs it, too, and would begin at the end of the line again.
 *
 * Those that wait take turns: the account with the least debt first (see {@link createDebts}), and of several
 * the one that has waited longest. A third of the places is for accounts without a debt. So accounts whose
 * lookups take long, however many they are, wait for each other. An account whose lookups do not waits for
 * them only until each has had one: they could be told apart no earlier.
 *
 * @param now milliseconds of a monotonic clock
 */
export function createLookupQueue(size: number, waitingMax: number, now: () => number): LookupQueue {
  const reserved = Math.floor(size / 3);
  const debts = createDebts(LOOKUP_DEBTS, now);
  /** No line is empty. The account that has waited longest comes first. */
  const lines = new Map<AccountId, Lookable[]>();
  let free = size;
  let waiting = 0;

  const roomOf = (id: AccountId, debtMs: number) =>
    roomToShare(debts.inProgress(id), debtMs > 0 ? free - reserved : free);
  const run = async (lookup: Lookable, id: AccountId) => {
    const end = debts.begin(id);
    free -= 1;
    await lookup.begin();
    free += 1;
    end();
    takeTurns();
  };
  /** Returns the account whose turn it is, if there is room for one of those that wait. */
  const next = (): AccountId | undefined => {
    let [first, leastMs]: [AccountId | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
    for (const id of lines.keys()) {
      const debtMs = debts.of(id);
      if (debtMs >= leastMs || roomOf(id, debtMs) === 0) continue;
      [first, leastMs] = [id, debtMs];
      if (debtMs === 0) break;
    }
    return first;
  };
  const takeTurns = () => {
    for (let id = next(); id !== undefined; id = next()) {
      const line = lines.get(id) ?? [];
      const lookup = line.shift();
      waiting -= 1;
      const hasTurn = lookup?.hasBegun === false;
      if (hasTurn || line.length === 0) lines.delete(id);
      if (hasTurn && line.length > 0) lines.set(id, line);
      if (hasTurn) void run(lookup, id);
    }
  };
  return {
    add(lookup, id) {
      const line = lines.get(id) ?? [];
      if (line.includes(lookup)) return true;
      if (line.length === 0 && roomOf(id, debts.of(id)) > 0) {
        void run(lookup, id);
        return true;
      }
      if (roomToShare(line.length, waitingMax - waiting) === 0) return false;
      line.push(lookup);
      lines.set(id, line);
      waiting += 1;
      return true;
    },
  };
}
