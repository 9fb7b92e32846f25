/** What one item of a group came to: its own result, or an error that is its alone. */
export type Settled<Result> = { readonly result: Result } | { readonly error: unknown };

export type GroupCommitOptions<Item, Result> = {
  /** Commits items in one transaction, in their order. Throws where all of it was rolled back. */
  readonly commit: (items: readonly Item[]) => Promise<readonly Settled<Result>[]>;
  /** Whether a group that was rolled back is worth committing item by item: one of them may be at fault. */
  readonly splits: (error: unknown) => boolean;
  /** Items of one transaction at most. */
  readonly itemsMax: number;
  /** What an item weighs, such as its bytes. Default: nothing. */
  readonly weigh?: (item: Item) => number;
  /** Weight of one transaction at most; a heavier item gets one of its own. */
  readonly weightMax?: number;
};

type Waiting<Item, Result> = {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Commits what comes while a commit is under way together, in the next one. An item that comes alone is committed at
 * once: nothing waits for company. One disk flush is so shared by as many as came during the last, and the answer still is
 * the commit.
 *
 * The queue has no bound of its own: each item in it is a call that its caller bounds, and waits for.
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const { itemsMax, weigh = () => 0, weightMax = Number.POSITIVE_INFINITY } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let isCommitting = false;

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
    isCommitting = true;
    while (waiting.length > 0) await commitGroup(takeGroup(), options);
    isCommitting = false;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      // Those that come in the same turn of the event loop share the first commit, too.
      if (!isCommitting) {
        isCommitting = true;
        setImmediate(() => void commitAll());
      }
    });
}

/** Never throws: every item is told what it came to. */
async function commitGroup<Item, Result>(
  group: readonly Waiting<Item, Result>[],
  options: GroupCommitOptions<Item, Result>,
): Promise<void> {
  try {
    const settled = await options.commit(group.map(({ item }) => item));
    for (const [i, { resolve, reject }] of group.entries()) {
      const one = settled[i];
      if (one === undefined) reject(new Error("the commit did not say what this item came to"));
      else if ("error" in one) reject(one.error);
      else resolve(one.result);
    }
  } catch (error) {
    if (group.length > 1 && options.splits(error)) {
      for (const one of group) await commitGroup([one], options);
    } else {
      for (const { reject } of group) reject(error);
    }
  }
}
