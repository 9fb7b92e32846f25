import { pauseMs } from "./transact.ts";

/** What a commit did with one item of a group. */
export type Settled<Result> =
  | { readonly result: Result }
  /** An error that concerns this item alone. */
  | { readonly error: unknown }
  /** Nothing was done: another transaction holds a row. The error is the item's if that does not end. */
  | { readonly held: unknown };

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

/** An item that needs a row which another transaction holds. */
type HeldItem<Item, Result> = Waiting<Item, Result> & {
  /** When it was first found to be held, on the clock of `performance.now`. */
  readonly since: number;
  /** How often it was tried. */
  readonly tries: number;
};

/** How long an item is tried again while a row that it needs is held. Then its caller gets the error. */
const HELD_MAX_MS = 10_000;

/**
 * Commits items that arrive during a commit together, in the next one. An item that arrives alone is
 * committed at once: nothing waits for company. All items that arrived during one commit thus share a single
 * disk flush, and an item's answer is still its commit.
 *
 * An item that needs a row which another transaction holds is set aside: the holder may be suspended for a
 * minute, and nobody else waits for it. Such items are tried again in groups of their own, one at a time,
 * after pauses that grow. In between they hold no connection.
 *
 * The queue has no bound: each item is a call that its caller bounds and waits for. While the database is
 * unavailable, an item waits for at most two transactions: the one in flight when it arrived, and the next.
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const { groupsMax = 1 } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let groupsInFlight = 0;
  let arrived = 0;
  const setAside = createSetAside(options);

  const commitAll = async () => {
    while (waiting.length > 0) {
      const next = arrived;
      const { group, others } = takeGroup(waiting, options);
      waiting = others;
      try {
        const { leftOut, held } = await commitGroup(group, options);
        setAside(held);
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
function inTurns<Item, Member extends { readonly item: Item }>(
  waiting: readonly Member[],
  ownerOf: (item: Item) => unknown,
): Member[] {
  const turns: Member[][] = [];
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

/** Takes the first items, by turns of their owners and as many as may share a transaction. */
function takeGroup<Item, Member extends { readonly item: Item }>(
  waiting: readonly Member[],
  options: Pick<GroupCommitOptions<Item, unknown>, "itemsMax" | "weigh" | "weightMax" | "ownerOf">,
): { group: readonly Member[]; others: Member[] } {
  const { itemsMax, weigh = () => 0, weightMax = Number.POSITIVE_INFINITY, ownerOf } = options;
  const members = ownerOf === undefined ? [...waiting] : inTurns(waiting, ownerOf);
  let weight = 0;
  let count = 0;
  for (const { item } of members) {
    weight += weigh(item);
    if (count === itemsMax || (count > 0 && weight > weightMax)) break;
    count += 1;
  }
  return { group: members.slice(0, count), others: members.slice(count) };
}

/** Creates a function that sets items aside, and tries them again until nobody holds their rows. */
function createSetAside<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (held: readonly HeldBy<Waiting<Item, Result>>[]) => void {
  let due: HeldItem<Item, Result>[] = [];
  let isRunning = false;

  const setAside = (item: Waiting<Item, Result> & Partial<HeldItem<Item, Result>>, error: unknown) => {
    const { since = performance.now(), tries = 0 } = item;
    if (performance.now() - since >= HELD_MAX_MS) return item.reject(error);
    const again = { ...item, since, tries: tries + 1 };
    setTimeout(() => {
      due.push(again);
      if (!isRunning) void tryAgain();
    }, pauseMs(again.tries));
  };
  const tryAgain = async () => {
    isRunning = true;
    while (due.length > 0) {
      const { group, others } = takeGroup(due, options);
      due = others;
      try {
        const { leftOut, held } = await commitGroup(group, options);
        due = [...leftOut, ...due];
        for (const { item, error } of held) setAside(item, error);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    isRunning = false;
  };
  return (held) => {
    for (const { item, error } of held) setAside(item, error);
  };
}

type HeldBy<Member> = { readonly item: Member; readonly error: unknown };

/**
 * Commits a group and settles each of its items.
 *
 * A commit without an answer may have happened. Its callers get an error, as after a crash, and find out by
 * their own means: an idempotency key, an attempt's number, a row's state.
 *
 * @returns the items that are left for the next transaction, and those that need a row that is held
 * @throws an error that leaves nothing to try
 */
async function commitGroup<Item, Result, Member extends Waiting<Item, Result>>(
  group: readonly Member[],
  options: GroupCommitOptions<Item, Result>,
): Promise<{ leftOut: readonly Member[]; held: readonly HeldBy<Member>[] }> {
  const held: HeldBy<Member>[] = [];
  try {
    const settled = await options.commit(group.map(({ item }) => item));
    if (settled.length === 0) throw new Error("the commit returned no result for its first item");
    for (const [i, outcome] of settled.entries()) {
      const member = group[i];
      if (member === undefined) break;
      if ("held" in outcome) held.push({ item: member, error: outcome.held });
      else if ("error" in outcome) member.reject(outcome.error);
      else member.resolve(outcome.result);
    }
    return { leftOut: group.slice(settled.length), held };
  } catch (error) {
    if (!options.splits(error)) throw error;
    if (group.length === 1) group[0]?.reject(error);
    else for (const member of group) held.push(...(await commitGroup([member], options)).held);
    return { leftOut: [], held };
  }
}
