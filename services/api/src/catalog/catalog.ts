import {
  type AccountId,
  EVENT_TYPES,
  type NamesByLength,
  OPERATIONAL_EVENT_TYPES,
  type SchemaCheck,
} from "@posthaste/domain";
import {
  type EventTypeVersion,
  getSchemaCheck,
  readEventType,
  readEventTypes,
  type StoredEventType,
} from "@posthaste/store";
import { LRUCache } from "lru-cache";
import type { Turn } from "../access/loop-turns.ts";
import {
  ACCOUNTS_MAX,
  type CatalogEntry,
  createOwnerTypes,
  createTypes,
  ENTRY_BYTES,
  FRESH_MS,
  type OwnerTypesParts,
  type TypeOwner,
} from "./owner-types.ts";

export type { CatalogEntry } from "./owner-types.ts";

/** The texts of one version; `storedAt` is null for a built-in type. */
export type CatalogTexts = Omit<EventTypeVersion, "storedAt"> & { readonly storedAt: number | null };

/** The event types of each account: built in, shared, and its own. */
export type Catalog = {
  /** Finds an event type, even if archived. */
  find(accountId: AccountId, code: string): Promise<CatalogEntry | undefined>;
  /** Returns the code that is first in alphabetical order; types that are archived do not count. */
  firstCode(accountId: AccountId): Promise<string>;
  /** Returns the codes of all types that are not archived. */
  codes(accountId: AccountId): Promise<readonly NamesByLength[]>;
  /** Returns the texts of a version (default: the latest); undefined if the version does not exist. */
  texts(entry: CatalogEntry, version?: number): Promise<CatalogTexts | undefined>;
  /**
   * Returns every entry with its texts, archived ones included, in alphabetical order. It takes a place among
   * costly reads for itself, so its caller must hold none.
   *
   * @param reading.turn resolves in the turn of the event loop in which this returns
   * @param reading.chargedTo the account in whose turns the read waits
   * @param signal takes the read out of the queue
   */
  allWithTexts(
    accountId: AccountId,
    reading: { readonly turn: Turn; readonly chargedTo: AccountId },
    signal: AbortSignal | undefined,
  ): Promise<readonly (readonly [CatalogEntry, CatalogTexts])[]>;
  /** Returns how the account handles events that do not match their schema. */
  schemaCheck(accountId: AccountId): Promise<SchemaCheck>;
  /** Notes what this process has read of an event type, so that it sees its own change at once. */
  changed(owner: TypeOwner, type: StoredEventType): void;
  /** Notes what the account has chosen, so that this process sees it at once. */
  schemaCheckChanged(accountId: AccountId, schemaCheck: SchemaCheck): void;
};

const ALL_BUILT_IN = [...EVENT_TYPES, ...OPERATIONAL_EVENT_TYPES];
const BUILT_IN = createTypes(
  ALL_BUILT_IN.map(({ code, keys }) => ({ code, stored: null, version: 1, keys, archivedAt: null })),
);
const BUILT_IN_TEXTS: ReadonlyMap<string, CatalogTexts> = new Map(
  ALL_BUILT_IN.map(({ code, description, schema, sample, keys }) => [
    code,
    {
      version: 1,
      description,
      schemaJson: JSON.stringify(schema),
      sampleJson: JSON.stringify(sample),
      keys,
      storedAt: null,
    },
  ]),
);

/** @param clockMs a monotonic clock in milliseconds; default: `performance.now` */
export function createCatalog(
  parts: OwnerTypesParts,
  clockMs: () => number = () => performance.now(),
): Catalog {
  const { store, costlyReads } = parts;
  const ownerTypes = createOwnerTypes(parts, clockMs);
  const schemaChecks = createSchemaChecks(parts, clockMs);
  const typesFor = async (accountId: AccountId) => [
    BUILT_IN,
    ...(await Promise.all([ownerTypes.of("shared"), ownerTypes.of(accountId)])),
  ];
  return {
    async find(accountId, code) {
      const builtIn = BUILT_IN.entries.get(code);
      if (builtIn !== undefined) return builtIn;
      const types = await typesFor(accountId);
      return types.map(({ entries }) => entries.get(code)).find((entry) => entry !== undefined);
    },
    async firstCode(accountId) {
      const types = await typesFor(accountId);
      let first: string | undefined;
      for (const { entries } of types) {
        for (const { code, archivedAt } of entries.values()) {
          if (archivedAt === null && (first === undefined || code < first)) first = code;
        }
      }
      return first ?? "";
    },
    async codes(accountId) {
      return (await typesFor(accountId)).map(({ codes }) => codes);
    },
    async texts(entry, version = entry.version) {
      if (entry.stored !== null) return await readEventType(store, { id: entry.stored.id, version });
      return version === 1 ? BUILT_IN_TEXTS.get(entry.code) : undefined;
    },
    async allWithTexts(accountId, { turn, chargedTo }, signal) {
      const types = await typesFor(accountId);
      // One after the other: each reads up to thousands of rows, and would take a connection of its own.
      const read = async () => [
        await readEventTypes(store, "shared"),
        await readEventTypes(store, accountId),
      ];
      const stored = await costlyReads.run(chargedTo, read, signal);
      if (stored === undefined) throw signal?.reason;
      await turn(stored.reduce((bytes, texts) => bytes + bytesOf(texts), 0));
      const textsById = new Map(stored.flatMap((texts) => [...texts]));
      return types
        .flatMap(({ entries }) => [...entries.values()])
        .sort((a, b) => (a.code < b.code ? -1 : 1))
        .flatMap((entry) => {
          const { code, stored } = entry;
          const texts = stored === null ? BUILT_IN_TEXTS.get(code) : textsById.get(stored.id);
          return texts === undefined ? [] : [[entry, texts] as const];
        });
    },
    schemaCheck: schemaChecks.of,
    changed: ownerTypes.changed,
    schemaCheckChanged: schemaChecks.changed,
  };
}

/** Keeps each account's choice apart from its types: it is one row, and they may be thousands. */
function createSchemaChecks({ store }: OwnerTypesParts, clockMs: () => number) {
  const kept = new LRUCache<AccountId, Promise<SchemaCheck>>({
    max: ACCOUNTS_MAX,
    ttl: FRESH_MS,
    ttlResolution: 0,
    perf: { now: clockMs },
  });
  return {
    async of(accountId: AccountId): Promise<SchemaCheck> {
      const known = kept.get(accountId);
      if (known !== undefined) return await known;
      const read = getSchemaCheck(store, accountId);
      kept.set(accountId, read);
      read.catch(() => {
        if (kept.peek(accountId) === read) kept.delete(accountId);
      });
      return await read;
    },
    changed(accountId: AccountId, schemaCheck: SchemaCheck): void {
      kept.set(accountId, Promise.resolve(schemaCheck));
    },
  };
}

/** Returns how much is looked at to list event types. */
function bytesOf(texts: ReadonlyMap<number, EventTypeVersion>): number {
  let bytes = 0;
  for (const { schemaJson } of texts.values()) bytes += ENTRY_BYTES + schemaJson.length;
  return bytes;
}
