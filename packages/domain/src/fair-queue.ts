import type { AccountId } from "./vocabulary.ts";

/** A queue that accounts take turns in, so that nobody waits behind another's many entries. */
export type FairQueue<T> = {
  /**
   * Adds an entry. If the queue is full, the newest entry of the account with the most is dropped, which may
   * be this one.
   */
  readonly add: (accountId: AccountId, entry: T) => void;
  /**
   * Removes the oldest entry of the account whose turn it is; undefined: the queue is empty.
   *
   * @param mayGo passes over accounts for which it returns false. Default: none
   */
  readonly next: (mayGo?: (accountId: AccountId) => boolean) => T | undefined;
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
      if (size <= max) return;
      const longest = [...queues.values()].reduce((most, one) => (one.length > most.length ? one : most));
      longest.pop();
      size -= 1;
    },
    next(mayGo = () => true) {
      for (const [accountId, queue] of queues) {
        if (!mayGo(accountId)) continue;
        const entry = queue.shift();
        queues.delete(accountId);
        if (entry === undefined) continue;
        size -= 1;
        if (queue.length > 0) queues.set(accountId, queue);
        return entry;
      }
      return undefined;
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
