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

/** An event type as an account sees it, as of its latest version and without its texts. */
export type CatalogEntry = {
  readonly code: string;
  /** Null: built in. */
  readonly stored: StoredEventType | null;
  /** The latest, from 1. */
  readonly version: number;
  /** Null: it is not. */
  readonly archivedAt: number | null;
};

/** The texts of one version; its time is null where it is built in. */
export type CatalogTexts = Omit<EventTypeVersion, "storedAt"> & { readonly storedAt: number | null };

/** The event types of each account: built in, shared, and its own. */
export type Catalog = {
  /** Archived ones, too. */
  find(accountId: AccountId, code: string): Promise<CatalogEntry | undefined>;
  /** In alphabetical order, archived ones too. */
  all(accountId: AccountId): Promise<readonly CatalogEntry[]>;
  /** Undefined: there is no such version. */
  texts(entry: CatalogEntry, version?: number): Promise<CatalogTexts | undefined>;
  /** Every entry's texts, in the order of {@link all}, read at once. */
  allWithTexts(accountId: AccountId): Promise<readonly (readonly [CatalogEntry, CatalogTexts])[]>;
  /** What becomes of an account's events that do not fit. */
  schemaCheck(accountId: AccountId): Promise<SchemaCheck>;
  /** Has what this process just changed seen at once. */
  changed(owner: AccountId | "shared"): void;
};

/** How long another process's change may go unseen: what a person hardly notices, and few looks for many events. */
const FRESH_MS = 2_000;
/** Accounts that are remembered; each takes about 200 bytes for each of its event types. */
const ACCOUNTS_MAX = 1_000;

type Known<T> = { readonly until: number; readonly value: Promise<T> };
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

/** @param clockMs tells times apart, from any beginning; default: the process's own */
export function createCatalog(store: Store, clockMs: () => number = () => performance.now()): Catalog {
  const known = new Map<AccountId, Known<OwnTypes>>();
  let shared: Known<Entries> | undefined;

  const sharedEntries = async (): Promise<Entries> => {
    if (shared === undefined || shared.until <= clockMs()) {
      const looked = { until: clockMs() + FRESH_MS, value: listEventTypes(store, "shared").then(entriesOf) };
      shared = looked;
      looked.value.catch(() => {
        if (shared === looked) shared = undefined;
      });
    }
    return await shared.value;
  };
  const own = async (accountId: AccountId): Promise<OwnTypes> => {
    const before = known.get(accountId);
    if (before !== undefined && before.until > clockMs()) return await before.value;
    // Set anew, so that the account that was looked at longest ago comes first.
    known.delete(accountId);
    const oldest = known.keys().next();
    if (known.size >= ACCOUNTS_MAX && oldest.done !== true) known.delete(oldest.value);
    const looked = { until: clockMs() + FRESH_MS, value: look(store, accountId) };
    known.set(accountId, looked);
    looked.value.catch(() => {
      if (known.get(accountId) === looked) known.delete(accountId);
    });
    return await looked.value;
  };
  const all = async (accountId: AccountId): Promise<readonly CatalogEntry[]> => {
    const [everyones, { entries }] = await Promise.all([sharedEntries(), own(accountId)]);
    return [BUILT_IN, everyones, entries]
      .flatMap((some) => [...some.values()])
      .sort((a, b) => (a.code < b.code ? -1 : 1));
  };

  return {
    async find(accountId, code) {
      const builtIn = BUILT_IN.get(code);
      if (builtIn !== undefined) return builtIn;
      const [everyones, { entries }] = await Promise.all([sharedEntries(), own(accountId)]);
      return everyones.get(code) ?? entries.get(code);
    },
    all,
    async texts(entry, version = entry.version) {
      if (entry.stored !== null) return await readEventType(store, { id: entry.stored.id, version });
      return version === 1 ? BUILT_IN_TEXTS.get(entry.code) : undefined;
    },
    async allWithTexts(accountId) {
      const [entries, everyones, its] = await Promise.all([
        all(accountId),
        readEventTypes(store, "shared"),
        readEventTypes(store, accountId),
      ]);
      return entries.flatMap((entry) => {
        const { code, stored } = entry;
        const texts =
          stored === null ? BUILT_IN_TEXTS.get(code) : (stored.shared ? everyones : its).get(stored.id);
        return texts === undefined ? [] : [[entry, texts] as const];
      });
    },
    async schemaCheck(accountId) {
      return (await own(accountId)).schemaCheck;
    },
    changed(owner) {
      if (owner === "shared") shared = undefined;
      else known.delete(owner);
    },
  };
}

async function look(store: Store, accountId: AccountId): Promise<OwnTypes> {
  const [types, schemaCheck] = await Promise.all([
    listEventTypes(store, accountId),
    getSchemaCheck(store, accountId),
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
