/** The result of one item of a group, or an error that concerns this item alone. */
export type Settled<Result> = { readonly result: Result } | { readonly error: unknown };

export type GroupCommitOptions<Item, Result> = {
  /**
   * Commits items in one transaction, in this order. It may leave out the last items, never the first; the
   * next transaction starts with them. Throws if everything was rolled back.
   */
  readonly commit: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>;
  /**
   * Whether to commit a failed group item by item, because a single item may have caused the error. If not,
   * items that have waited since the group began fail with it.
   */
  readonly splits: (error: unknown) => boolean;
  /** Maximum items per transaction. */
  readonly itemsMax: number;
  /** An item's weight, such as its bytes. Default: nothing. */
  readonly weigh?: (item: Item) => number;
  /** Maximum weight per transaction; a heavier item gets a transaction of its own. Default: unlimited. */
  readonly weightMax?: number;
  /** Maximum concurrent transactions. Default: 1. */
  readonly groupsMax?: number;
  /**
   * To whom an item belongs. If more wait than fit, a transaction takes the first of each owner, then the
   * second of each, and so on. Default: all belong to one, and are committed in their order.
   */
  readonly ownerOf?: (item: Item) => unknown;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  /** How many items came before it. */
  readonly place: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Commits items that arrive during a commit together, in the next one. An item that arrives alone is
 * committed at once: nothing waits for company. All items that arrived during one commit thus share a single
 * disk flush, and an item's answer is still its commit.
 *
 * The queue has no bound: each item is a call that its caller bounds and waits for. While the database is
 * unavailable, an item waits for at most two transactions: the one in flight when it arrived, and the next.
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const { itemsMax, weigh = () => 0, weightMax = Number.POSITIVE_INFINITY, groupsMax = 1 } = options;
  const { ownerOf } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let groupsInFlight = 0;
  let arrived = 0;

  const takeGroup = () => {
    if (ownerOf !== undefined) waiting = inTurns(waiting, ownerOf);
    let weight = 0;
    let count = 0;
    for (const { item } of waiting) {
      weight += weigh(item);
      if (count === itemsMax || (count > 0 && weight > weightMax)) break;
      count += 1;
    }
    const group = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return group;
  };
  const commitAll = async () => {
    while (waiting.length > 0) {
      const next = arrived;
      const group = takeGroup();
      try {
        const leftOut = await commitGroup(group, options);
        if (leftOut.length > 0) waiting = [...leftOut, ...waiting];
      } catch (error) {
        const failed = [...group, ...waiting.filter(({ place }) => place < next)];
        waiting = waiting.filter(({ place }) => place >= next);
        // Items that already have their result do not see this error.
        for (const { reject } of failed) reject(error);
      }
    }
    groupsInFlight -= 1;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, place: arrived, resolve, reject });
      arrived += 1;
      if (groupsInFlight === groupsMax) return;
      groupsInFlight += 1;
      // Items from the same turn of the event loop share the first commit, too.
      setImmediate(() => void commitAll());
    });
}

/** Returns the first items of all owners, then the second ones, and so on, each in their order. */
function inTurns<Item, Result>(
  waiting: readonly Waiting<Item, Result>[],
  ownerOf: (item: Item) => unknown,
): Waiting<Item, Result>[] {
  const turns: Waiting<Item, Result>[][] = [];
  const taken = new Map<unknown, number>();
  for (const one of waiting) {
    const owner = ownerOf(one.item);
    const turn = taken.get(owner) ?? 0;
    taken.set(owner, turn + 1);
    const others = turns[turn];
    if (others === undefined) turns[turn] = [one];
    else others.push(one);
  }
  return turns.flat();
}

/**
 * Commits a group and settles each of its items.
 *
 * A commit without an answer may have happened. Its callers get an error, as after a crash, and find out by
 * their own means: an idempotency key, an attempt's number, a row's state.
 *
 * @returns the items that are left for the next transaction
 * @throws an error that leaves nothing to try
 */
async function commitGroup<Item, Result>(
  group: readonly Waiting<Item, Result>[],
  options: GroupCommitOptions<Item, Result>,
): Promise<readonly Waiting<Item, Result>[]> {
  try {
    const settled = await options.commit(group.map(({ item }) => item));
    if (settled.length === 0) throw new Error("the commit returned no result for its first item");
    for (const [i, outcome] of settled.entries()) {
      if ("error" in outcome) group[i]?.reject(outcome.error);
      else group[i]?.resolve(outcome.result);
    }
    return group.slice(settled.length);
  } catch (error) {
    if (!options.splits(error)) throw error;
    if (group.length === 1) group[0]?.reject(error);
    else for (const member of group) await commitGroup([member], options);
    return [];
  }
}
