import type { AccountId } from "@posthaste/domain";

/** A cache that accounts share. */
export type SharedCache<V> = {
  get(key: string): V | undefined;
  /** Stores the value, which may be the present one, for an account that uses it now. */
  use(key: string, value: V, id: AccountId): void;
};

/**
 * Creates a cache in which each account holds the keys that it has used. All accounts together hold at most
 * `heldMax`, and a key that two accounts hold counts twice. What no account holds any more is forgotten.
 *
 * When there are more, the account that holds most gives up the key that it used longest ago. (Of several
 * accounts that hold most, it is the one that used none for the longest time.) So an account with n keys
 * keeps them unless the others hold n each and `heldMax` in all, whatever a single one of them does: it
 * cannot displace a key that it shares with others, either.
 *
 * Both functions take constant time.
 */
export function createSharedCache<V>(heldMax: number): SharedCache<V> {
  const entries = new Map<string, { value: V; holders: number }>();
  /** Each account's keys. The one that it used longest ago comes first. */
  const keysOf = new Map<AccountId, Set<string>>();
  /** The accounts that hold a number of keys. The one that used none for the longest time comes first. */
  const holders = new Map<number, Set<AccountId>>();
  /** The largest number of keys that an account holds. */
  let most = 0;
  let held = 0;

  const recount = (id: AccountId, before: number, after: number) => {
    const old = holders.get(before);
    old?.delete(id);
    if (old?.size === 0) holders.delete(before);
    held += after - before;
    if (after === 0) return;
    const same = holders.get(after) ?? new Set();
    holders.set(after, same.add(id));
  };
  const giveUpOne = () => {
    const [id] = holders.get(most) ?? [];
    const keys = id === undefined ? undefined : keysOf.get(id);
    const [key] = keys ?? [];
    if (id === undefined || keys === undefined || key === undefined) return;
    keys.delete(key);
    if (keys.size === 0) keysOf.delete(id);
    recount(id, most, keys.size);
    if (!holders.has(most)) most -= 1;
    const entry = entries.get(key);
    if (entry === undefined) return;
    entry.holders -= 1;
    if (entry.holders === 0) entries.delete(key);
  };
  return {
    get: (key) => entries.get(key)?.value,
    use(key, value, id) {
      const entry = entries.get(key) ?? { value, holders: 0 };
      entries.set(key, entry);
      entry.value = value;
      const keys = keysOf.get(id) ?? new Set();
      keysOf.set(id, keys);
      const before = keys.size;
      if (!keys.delete(key)) entry.holders += 1;
      keys.add(key);
      recount(id, before, keys.size);
      most = Math.max(most, keys.size);
      if (held > heldMax) giveUpOne();
    },
  };
}
