import type { AccountId } from "@posthaste/domain";
import { LRUCache } from "lru-cache";

/**
 * Total length of the texts of the schemas that are kept in memory, and that one call may need. A compiled
 * schema takes about 20 times the memory of its text.
 */
export const KEPT_CHARS_MAX = 2 * 1024 * 1024;
/** Characters counted for each schema in addition to its text. */
const EACH_CHARS = 1_024;
/** The part that built-in and shared schemas may take, which every account uses. */
const SHARED_PART = 1 / 2;

/** Whose event type has a schema; `shared`: any account may use it. */
export type SchemaOwner = AccountId | "shared";

/** What is kept of the schemas used most recently. */
export type KeptSchemas<V> = {
  get(owner: SchemaOwner, key: string): V | undefined;
  /** @param json the schema's text */
  set(owner: SchemaOwner, key: string, kept: V, json: string): void;
};

/**
 * Keeps schemas for all accounts. If there are too many, the account that holds most gives up the one that it
 * used longest ago, so nobody displaces the few of another. (Of several that hold most, it is the one that
 * used none for the longest time.)
 */
export function createKeptSchemas<V extends object>(charsMax = KEPT_CHARS_MAX): KeptSchemas<V> {
  // Who used one last comes last.
  const byOwner = new Map<SchemaOwner, LRUCache<string, V>>();
  let chars = 0;
  const holdsMost = () => {
    const shared = byOwner.get("shared");
    if (shared !== undefined && shared.calculatedSize > charsMax * SHARED_PART) return "shared";
    let most: SchemaOwner = "shared";
    let size = 0;
    for (const [owner, { calculatedSize }] of byOwner) {
      if (owner === "shared" || calculatedSize <= size) continue;
      most = owner;
      size = calculatedSize;
    }
    return most;
  };
  const giveUpOne = () => {
    const owner = holdsMost();
    const own = byOwner.get(owner);
    if (own === undefined) throw new Error(`${owner} holds no schema`);
    chars -= own.calculatedSize;
    own.pop();
    chars += own.calculatedSize;
    if (own.size === 0) byOwner.delete(owner);
  };
  const use = (owner: SchemaOwner, own: LRUCache<string, V>) => {
    byOwner.delete(owner);
    byOwner.set(owner, own);
  };
  return {
    get(owner, key) {
      const own = byOwner.get(owner);
      if (own === undefined) return undefined;
      use(owner, own);
      return own.get(key);
    },
    set(owner, key, kept, json) {
      const own = byOwner.get(owner) ?? new LRUCache<string, V>({ maxSize: charsMax });
      use(owner, own);
      chars -= own.calculatedSize;
      own.set(key, kept, { size: EACH_CHARS + json.length });
      chars += own.calculatedSize;
      while (chars > charsMax) giveUpOne();
    },
  };
}
