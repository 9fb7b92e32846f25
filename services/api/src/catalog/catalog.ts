import { type AccountId, EVENT_TYPES, OPERATIONAL_EVENT_TYPES, type SchemaCheck } from "@posthaste/domain";
import {
  type EventTypeVersion,
  getSchemaCheck,
  listEventTypes,
  readEventType,
  readEventTypes,
  type Store,
  type StoredEventType,
} from "@posthaste/store";
import { LRUCache } from "lru-cache";

/** An event type as an account sees it, at its latest version and without its texts. */
export type CatalogEntry = {
  readonly code: string;
  /** Null if the type is built in. */
  readonly stored: StoredEventType | null;
  /** The latest version, from 1. */
  readonly version: number;
  /** Null if the type is not archived. */
  readonly archivedAt: number | null;
};

/** The texts of one version; `storedAt` is null for a built-in type. */
export type CatalogTexts = Omit<EventTypeVersion, "storedAt"> & { readonly storedAt: number | null };

/** The event types of each account: built in, shared, and its own. */
export type Catalog = {
  /** Finds an event type, even if archived. */
  find(accountId: AccountId, code: string): Promise<CatalogEntry | undefined>;
  /** Returns all event types, archived types included, in alphabetical order. */
  all(accountId: AccountId): Promise<readonly CatalogEntry[]>;
  /** Returns the texts of a version (default: the latest); undefined if the version does not exist. */
  texts(entry: CatalogEntry, version?: number): Promise<CatalogTexts | undefined>;
  /** Returns every entry with its texts, in the order of {@link all}, in one read. */
  allWithTexts(accountId: AccountId): Promise<readonly (readonly [CatalogEntry, CatalogTexts])[]>;
  /** Returns how the account handles events that do not match their schema. */
  schemaCheck(accountId: AccountId): Promise<SchemaCheck>;
  /** Drops the owner's cached types, so that this process sees its own change at once. */
  changed(owner: AccountId | "shared"): void;
};

/** How long another process's change may stay unseen: hardly noticeable, yet many events share one read. */
const FRESH_MS = 2_000;
/** Maximum cached accounts; each takes about 200 bytes per event type. */
const ACCOUNTS_MAX = 1_000;

type Entries = ReadonlyMap<string, CatalogEntry>;
type OwnTypes = { readonly entries: Entries; readonly schemaCheck: SchemaCheck };

const ALL_BUILT_IN = [...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES];
const BUILT_IN: Entries = new Map(
  ALL_BUILT_IN.map(({ code }) => [code, { code, stored: null, version: 1, archivedAt: null }]),
);
const BUILT_IN_TEXTS: ReadonlyMap<string, CatalogTexts> = new Map(
  ALL_BUILT_IN.map(({ code, description, schema, sample }) => [
    code,
    {
      version: 1,
      description,
      schemaJson: JSON.stringify(schema),
      sampleJson: JSON.stringify(sample),
      storedAt: null,
    },
  ]),
);

/** @param clockMs a monotonic clock in milliseconds; default: `performance.now` */
export function createCatalog(store: Store, clockMs: () => number = () => performance.now()): Catalog {
  const cached = new LRUCache<AccountId | "shared", Promise<OwnTypes>>({
    max: ACCOUNTS_MAX,
    ttl: FRESH_MS,
    ttlResolution: 0,
    perf: { now: clockMs },
  });
  const typesOf = async (owner: AccountId | "shared"): Promise<OwnTypes> => {
    const known = cached.get(owner);
    if (known !== undefined) return await known;
    const read = readTypes(store, owner);
    cached.set(owner, read);
    read.catch(() => {
      if (cached.peek(owner) === read) cached.delete(owner);
    });
    return await read;
  };
  const all = async (accountId: AccountId): Promise<readonly CatalogEntry[]> => {
    const [{ entries: sharedTypes }, { entries }] = await Promise.all([
      typesOf("shared"),
      typesOf(accountId),
    ]);
    return [BUILT_IN, sharedTypes, entries]
      .flatMap((types) => [...types.values()])
      .sort((a, b) => (a.code < b.code ? -1 : 1));
  };

  return {
    async find(accountId, code) {
      const builtIn = BUILT_IN.get(code);
      if (builtIn !== undefined) return builtIn;
      const [{ entries: sharedTypes }, { entries }] = await Promise.all([
        typesOf("shared"),
        typesOf(accountId),
      ]);
      return sharedTypes.get(code) ?? entries.get(code);
    },
    all,
    async texts(entry, version = entry.version) {
      if (entry.stored !== null) return await readEventType(store, { id: entry.stored.id, version });
      return version === 1 ? BUILT_IN_TEXTS.get(entry.code) : undefined;
    },
    async allWithTexts(accountId) {
      const entries = await all(accountId);
      // One after the other: each reads up to thousands of rows, and would take a connection of its own.
      const sharedTexts = await readEventTypes(store, "shared");
      const ownTexts = await readEventTypes(store, accountId);
      return entries.flatMap((entry) => {
        const { code, stored } = entry;
        const texts =
          stored === null
            ? BUILT_IN_TEXTS.get(code)
            : (stored.shared ? sharedTexts : ownTexts).get(stored.id);
        return texts === undefined ? [] : [[entry, texts] as const];
      });
    },
    async schemaCheck(accountId) {
      return (await typesOf(accountId)).schemaCheck;
    },
    changed(owner) {
      cached.delete(owner);
    },
  };
}

async function readTypes(store: Store, owner: AccountId | "shared"): Promise<OwnTypes> {
  const [types, schemaCheck] = await Promise.all([
    listEventTypes(store, owner),
    owner === "shared" ? ("OFF" as const) : getSchemaCheck(store, owner),
  ]);
  return { entries: entriesOf(types), schemaCheck };
}

function entriesOf(types: readonly StoredEventType[]): Entries {
  return new Map(
    types.map((stored) => {
      const { code, version, archivedAt } = stored;
      return [code, { code, stored, version, archivedAt }];
    }),
  );
}
