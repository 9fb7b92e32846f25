import type { AwayReason } from "./dialect/seam.ts";
import { isStoreAway, pingStore, type Store } from "./store.ts";

/** An item for which a piece of work throws even if it is alone. */
export type Refused<Item> = { readonly item: Item; readonly error: unknown };

/**
 * Does a piece of work for many items at once. If that throws, does it for each half, and so on: one bad item
 * costs a few more statements and does not keep the others from their effect.
 *
 * @param work leaves nothing behind if it throws, as a transaction or a statement does
 * @param isFatal whether an error leaves nothing to try, such as {@link isEverybodys}
 * @returns the items for which `work` throws even if they are alone
 * @throws the error of `work` if it is fatal
 */
export async function inParts<Item>(
  items: readonly Item[],
  work: (items: readonly Item[]) => Promise<void>,
  isFatal: (error: unknown) => boolean | Promise<boolean>,
): Promise<Refused<Item>[]> {
  const [first] = items;
  if (first === undefined) return [];
  try {
    await work(items);
    return [];
  } catch (error) {
    if (await isFatal(error)) throw error;
    if (items.length === 1) return [{ item: first, error }];
    const middle = Math.ceil(items.length / 2);
    return [
      ...(await inParts(items.slice(0, middle), work, isFatal)),
      ...(await inParts(items.slice(middle), work, isFatal)),
    ];
  }
}

/**
 * Returns whether an error would hit any transaction; see {@link isDatabaseAway}. An error that blames a row
 * costs no ping. Not for use within a transaction, which may hold the only connection.
 */
export async function isEverybodys(store: Store, error: unknown): Promise<boolean> {
  return isStoreAway(store, error) && (await isDatabaseAway(store, error));
}

/**
 * Returns why the database is unavailable to everybody, or undefined if it is not. Some errors say so by
 * themselves: it is read-only or full. Others are ambiguous: a statement that is too slow, or waits too long
 * for a lock, also reports that the database is unavailable. So otherwise a ping decides.
 *
 * @param error why the caller asks. Default: nothing has failed
 */
export async function whyDatabaseAway(store: Store, error?: unknown): Promise<AwayReason | undefined> {
  if (store.seam.isEverybodys(error)) return store.seam.whyAway(error);
  return await pingStore(store).then(
    () => undefined,
    (failure: unknown) => store.seam.whyAway(failure),
  );
}

/** See {@link whyDatabaseAway}. */
export async function isDatabaseAway(store: Store, error?: unknown): Promise<boolean> {
  return (await whyDatabaseAway(store, error)) !== undefined;
}

/** Returns whether the database may have rolled back the transaction in which a statement failed. */
export function endsTransaction({ seam }: Store, error: unknown): boolean {
  return seam.isAway(error) || seam.isContention(error);
}

/**
 * Returns whether a single item of a group may have caused the error, so that the others succeed without it:
 * the database is available, or one of them has waited too long for a row.
 */
export function concernsOne({ seam }: Store, error: unknown): boolean {
  return !seam.isAway(error) || seam.isLockTimeout(error);
}
