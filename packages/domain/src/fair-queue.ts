import type { AccountId } from "./vocabulary.ts";

/** A queue that accounts take turns in, so that nobody waits behind another's many entries. */
export type FairQueue<T> = {
  /**
   * Adds an entry. If the queue is full, the newest entry of the account with the most is dropped, which may
   * be this one.
   *
   * @returns the entry that was dropped
   */
  readonly add: (accountId: AccountId, entry: T) => T | undefined;
  /**
   * Removes the oldest entry of the account whose turn it is; undefined: the queue is empty.
   *
   * @param mayGo passes over accounts for which it returns false. Default: none
   * @param debtOf what an account owes: the one that owes least goes first. Default: nothing
   */
  readonly next: (
    mayGo?: (accountId: AccountId) => boolean,
    debtOf?: (accountId: AccountId) => number,
  ) => T | undefined;
  /** Removes an entry that waits. */
  readonly remove: (accountId: AccountId, entry: T) => void;
  readonly size: () => number;
  /** Returns how many entries of the account wait. */
  readonly sizeOf: (accountId: AccountId) => number;
};

/** @param options.max entries. Default: no bound, for callers whose entries are bounded otherwise */
export function createFairQueue<T>({ max = Number.POSITIVE_INFINITY }: { max?: number } = {}): FairQueue<T> {
  // The accounts are in the order of their turns.
  const queues = new Map<AccountId, T[]>();
  let size = 0;
  return {
    add(accountId, entry) {
      const queue = queues.get(accountId) ?? [];
      queues.set(accountId, queue);
      queue.push(entry);
      size += 1;
      if (size <= max) return undefined;
      const longest = [...queues.values()].reduce((most, one) => (one.length > most.length ? one : most));
      size -= 1;
      return longest.pop();
    },
    next(mayGo = () => true, debtOf = () => 0) {
      let [first, least]: [AccountId | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
      for (const [accountId, queue] of queues) {
        if (queue.length === 0) queues.delete(accountId);
        else if (mayGo(accountId)) {
          const debt = debtOf(accountId);
          if (debt < least) [first, least] = [accountId, debt];
          if (debt === 0) break;
        }
      }
      if (first === undefined) return undefined;
      const queue = queues.get(first) ?? [];
      queues.delete(first);
      if (queue.length > 1) queues.set(first, queue);
      size -= 1;
      return queue.shift();
    },
    remove(accountId, entry) {
      const queue = queues.get(accountId) ?? [];
      const place = queue.indexOf(entry);
      if (place === -1) return;
      queue.splice(place, 1);
      size -= 1;
      if (queue.length === 0) queues.delete(accountId);
    },
    size: () => size,
    sizeOf: (accountId) => queues.get(accountId)?.length ?? 0,
  };
}
