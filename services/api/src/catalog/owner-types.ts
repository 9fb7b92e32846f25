import type { AccountId, EventTypeKey, NamesByLength } from "@posthaste/domain";
import { listEventTypes, type Store, type StoredEventType } from "@posthaste/store";
import { LRUCache } from "lru-cache";
import type { CostlyReads } from "../access/costly-reads.ts";
import type { LoopTurns } from "../access/loop-turns.ts";

/** An event type as an account sees it, at its latest version and without its texts. */
export type CatalogEntry = {
  readonly code: string;
  /** Null if the type is built in. */
  readonly stored: StoredEventType | null;
  /** The latest version, from 1. */
  readonly version: number;
  /** The fields by whose values its events are found. */
  readonly keys: readonly EventTypeKey[];
  /** Null if the type is not archived. */
  readonly archivedAt: number | null;
};

export type TypeOwner = AccountId | "shared";

/** Some event types of the catalogue, such as those of one owner. */
export type Types = {
  readonly entries: ReadonlyMap<string, CatalogEntry>;
  /** The codes of those that are not archived. */
  readonly codes: NamesByLength;
  /** Adds an event type, or what is newer of it. */
  add(entry: CatalogEntry): void;
};

export type OwnerTypes = {
  /** Returns the types of an owner, as they were in the last {@link FRESH_MS}. */
  of(owner: TypeOwner): Promise<Types>;
  /** Notes what this process has read of an event type. */
  changed(owner: TypeOwner, type: StoredEventType): void;
};

/** The dependencies of {@link createOwnerTypes}. */
export type OwnerTypesParts = {
  readonly store: Store;
  readonly costlyReads: CostlyReads;
  readonly loopTurns: LoopTurns;
};

/** How long another process's change may stay unseen: hardly noticeable, yet many events share one read. */
export const FRESH_MS = 2_000;
/** Maximum cached accounts. */
export const ACCOUNTS_MAX = 1_000;
/** What a cached event type takes, in bytes. */
export const ENTRY_BYTES = 200;
/**
 * Event types that are read at once. Few accounts have more, and this many take about a millisecond of the
 * event loop.
 */
const TYPES_AT_ONCE = 500;

/**
 * Keeps the event types that owners have defined. A change by this process is put into what is kept, so an
 * owner's types are read every {@link FRESH_MS} at most, however often they change.
 */
export function createOwnerTypes(parts: OwnerTypesParts, clockMs: () => number): OwnerTypes {
  const kept = new LRUCache<TypeOwner, Types>({
    max: ACCOUNTS_MAX,
    ttl: FRESH_MS,
    ttlResolution: 0,
    perf: { now: clockMs },
  });
  const reading = new Map<TypeOwner, Promise<Types>>();
  const readAndKeep = async (owner: TypeOwner): Promise<Types> => {
    const start = clockMs();
    try {
      const types = await readTypes(parts, owner);
      kept.set(owner, types, { start });
      return types;
    } finally {
      reading.delete(owner);
    }
  };
  return {
    async of(owner) {
      const known = kept.get(owner);
      if (known !== undefined) return known;
      const read = reading.get(owner) ?? readAndKeep(owner);
      reading.set(owner, read);
      return await read;
    },
    changed(owner, type) {
      const entry = entryOf(type);
      kept.peek(owner)?.add(entry);
      // It may have missed the change. Whoever asks for the types from now on gets them after this.
      reading.get(owner)?.then(
        (types) => types.add(entry),
        () => {},
      );
    },
  };
}

/**
 * Reads an owner's types, page by page. All after the first page, an account reads in its places of costly
 * reads, and then looks at them in its turns of the event loop. It holds no place while it waits for a turn.
 * The shared types, whose number operators choose, are read for all: no account waits for another's turn.
 */
async function readTypes(
  { store, costlyReads, loopTurns }: OwnerTypesParts,
  owner: TypeOwner,
): Promise<Types> {
  const types = createTypes();
  for (let after: string | undefined; ; ) {
    const read = () => listEventTypes(store, owner, { after, limit: TYPES_AT_ONCE });
    const isFree = owner === "shared" || after === undefined;
    // All of the account's calls wait for this read, so it does not end with one of them.
    const page = isFree ? await read() : ((await costlyReads.run(owner, read, undefined)) ?? []);
    if (!isFree) await loopTurns.wait(owner, page.length * ENTRY_BYTES);
    for (const type of page) types.add(entryOf(type));
    if (page.length < TYPES_AT_ONCE) return types;
    after = page.at(-1)?.code;
  }
}

export function entryOf(stored: StoredEventType): CatalogEntry {
  const { code, version, keys, archivedAt } = stored;
  return { code, stored, version, keys, archivedAt };
}

export function createTypes(first: Iterable<CatalogEntry> = []): Types {
  const entries = new Map<string, CatalogEntry>();
  const codes = new Map<number, Set<string>>();
  const add = (entry: CatalogEntry) => {
    const { code } = entry;
    const known = entries.get(code);
    const newest = known === undefined ? entry : newer(known, entry);
    entries.set(code, newest);
    const asLong = codes.get(code.length) ?? new Set();
    codes.set(code.length, asLong);
    if (newest.archivedAt === null) asLong.add(code);
    else asLong.delete(code);
  };
  for (const entry of first) add(entry);
  return { entries, codes, add };
}

/** Versions only grow, and what is archived stays so. */
function newer(one: CatalogEntry, other: CatalogEntry): CatalogEntry {
  if (one.archivedAt !== null && other.archivedAt === null) return one;
  if (one.archivedAt === null && other.archivedAt !== null) return other;
  return other.version > one.version ? other : one;
}
