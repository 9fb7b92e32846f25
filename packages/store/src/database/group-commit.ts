/** What one item of a group came to: its own result, or an error that is its alone. */
export type Settled<Result> = { readonly result: Result } | { readonly error: unknown };

export type GroupCommitOptions<Item, Result> = {
  /**
   * Commits items in one transaction, in their order. It may leave out the last ones, never the first: they come first in
   * the next. Throws where all of it was rolled back.
   */
  readonly commit: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>;
  /**
   * Whether a group that failed is worth committing item by item: one of them may be at fault. Where not,
   * items that have waited since it began fail with it.
   */
  readonly splits: (error: unknown) => boolean;
  /** Items of one transaction at most. */
  readonly itemsMax: number;
  /** What an item weighs, such as its bytes. Default: nothing. */
  readonly weigh?: (item: Item) => number;
  /** Weight of one transaction at most; a heavier item gets one of its own. */
  readonly weightMax?: number;
  /** Transactions under way at once at most. Default: 1. */
  readonly groupsMax?: number;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  /** Items before it. */
  readonly place: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Commits what comes while a commit is under way together, in the next one. An item that comes alone is committed at
 * once: nothing waits for company. One disk flush is so shared by as many as came during the last, and the answer still is
 * the commit.
 *
 * The queue has no bound of its own: each item in it is a call that its caller bounds, and waits for. While
 * the database is away, an item waits for two transactions at most: the one under way when it came, and the
 * next.
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const { itemsMax, weigh = () => 0, weightMax = Number.POSITIVE_INFINITY, groupsMax = 1 } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let underWay = 0;
  let came = 0;

  const takeGroup = () => {
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
      const next = came;
      const group = takeGroup();
      try {
        const left = await commitGroup(group, options);
        if (left.length > 0) waiting = [...left, ...waiting];
      } catch (error) {
        const failed = [...group, ...waiting.filter(({ place }) => place < next)];
        waiting = waiting.filter(({ place }) => place >= next);
        // Those that know their result already do not learn of this.
        for (const { reject } of failed) reject(error);
      }
    }
    underWay -= 1;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, place: came, resolve, reject });
      came += 1;
      if (underWay === groupsMax) return;
      underWay += 1;
      // Those that come in the same turn of the event loop share the first commit, too.
      setImmediate(() => void commitAll());
    });
}

/**
 * Tells each item what it came to.
 *
 * A commit that was not answered may have been made. Its callers get an error, as after a crash, and find out
 * by their own means: an idempotency key, an attempt's number, a row's state.
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
    if (settled.length === 0) throw new Error("the commit did not say what its first item came to");
    for (const [i, one] of settled.entries()) {
      if ("error" in one) group[i]?.reject(one.error);
      else group[i]?.resolve(one.result);
    }
    return group.slice(settled.length);
  } catch (error) {
    if (!options.splits(error)) throw error;
    if (group.length === 1) group[0]?.reject(error);
    else for (const one of group) await commitGroup([one], options);
    return [];
  }
}
