import type { AccountId } from "./vocabulary.ts";

/** A queue whose owners, such as accounts, take turns: nobody waits behind another's many entries. */
export type FairQueue<T, Owner = AccountId> = {
  /**
   * Adds an entry. If the queue is full, the newest entry of the owner with the most is dropped, which may
   * be this one.
   *
   * @returns the entry that was dropped
   */
  readonly add: (owner: Owner, entry: T) => T | undefined;
  /**
   * Removes the oldest entry of the owner whose turn it is; undefined: the queue is empty.
   *
   * @param mayGo passes over owners for which it returns false. Default: none
   * @param debtOf what an owner owes: the one that owes least goes first. Default: nothing
   */
  readonly next: (mayGo?: (owner: Owner) => boolean, debtOf?: (owner: Owner) => number) => T | undefined;
  /** Removes an entry that waits. */
  readonly remove: (owner: Owner, entry: T) => void;
  readonly size: () => number;
  /** Returns how many entries of the owner wait. */
  readonly sizeOf: (owner: Owner) => number;
};

/** @param options.max entries. Default: no bound, for callers whose entries are bounded otherwise */
export function createFairQueue<T, Owner = AccountId>({
  max = Number.POSITIVE_INFINITY,
}: {
  max?: number;
} = {}): FairQueue<T, Owner> {
  // The owners are in the order of their turns.
  const queues = new Map<Owner, T[]>();
  let size = 0;
  return {
    add(owner, entry) {
      const queue = queues.get(owner) ?? [];
      queues.set(owner, queue);
      queue.push(entry);
      size += 1;
      if (size <= max) return undefined;
      const longest = [...queues.values()].reduce((most, one) => (one.length > most.length ? one : most));
      size -= 1;
      return longest.pop();
    },
    next(mayGo = () => true, debtOf = () => 0) {
      let [first, least]: [Owner | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
      for (const [owner, queue] of queues) {
        if (queue.length === 0) queues.delete(owner);
        else if (mayGo(owner)) {
          const debt = debtOf(owner);
          if (debt < least) [first, least] = [owner, debt];
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
    remove(owner, entry) {
      const queue = queues.get(owner) ?? [];
      const place = queue.indexOf(entry);
      if (place === -1) return;
      queue.splice(place, 1);
      size -= 1;
      if (queue.length === 0) queues.delete(owner);
    },
    size: () => size,
    sizeOf: (owner) => queues.get(owner)?.length ?? 0,
  };
}
