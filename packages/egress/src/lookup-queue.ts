import { type AccountId, roomToShare } from "@posthaste/domain";

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
 */
export function createLookupQueues(lookupsMax: number, waitingMax: number): Record<Kind, LookupQueue> {
  if (lookupsMax < 3) {
    const one = createLookupQueue(lookupsMax, waitingMax);
    return { new: one, failed: one, known: one };
  }
  const failed = Math.max(1, Math.floor(lookupsMax / 5));
  const fresh = Math.floor((lookupsMax - failed) / 2);
  return {
    new: createLookupQueue(fresh, waitingMax),
    failed: createLookupQueue(failed, waitingMax),
    known: createLookupQueue(lookupsMax - failed - fresh, waitingMax),
  };
}

/**
 * Creates a queue with at most `size` lookups in progress and `waitingMax` waiting ones. Accounts share both
 * as `roomToShare` says, and those that wait take turns. A waiting lookup is never dropped: although its
 * attempt may have ended, the next one needs it, too, and would begin at the end of the line again.
 */
export function createLookupQueue(size: number, waitingMax: number): LookupQueue {
  const inProgress = new Map<AccountId, number>();
  /** No line is empty. The account whose turn is next comes first. */
  const lines = new Map<AccountId, Lookable[]>();
  let free = size;
  let waiting = 0;

  const roomOf = (id: AccountId) => roomToShare(inProgress.get(id) ?? 0, free);
  const count = (id: AccountId, by: 1 | -1) => {
    const left = (inProgress.get(id) ?? 0) + by;
    if (left === 0) inProgress.delete(id);
    else inProgress.set(id, left);
    free -= by;
  };
  const run = async (lookup: Lookable, id: AccountId) => {
    count(id, 1);
    await lookup.begin();
    count(id, -1);
    takeTurns();
  };
  const takeTurns = () => {
    for (;;) {
      const turn = [...lines].find(([id]) => roomOf(id) > 0);
      if (turn === undefined) return;
      const [id, line] = turn;
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
      if (line.length === 0 && roomOf(id) > 0) {
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
