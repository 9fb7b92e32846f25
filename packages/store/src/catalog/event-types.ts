import { type AccountId, type EventTypeKey, Refusal } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockAccount } from "../accounts/lock-account.ts";
import { auditedTime, enter, OF_INSTALLATION } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";

/**
 * Maximum size of one account's event types, and of the shared ones, in bytes of their latest versions. One
 * response carries the whole catalogue with both, and gRPC clients take 4 MiB.
 */
const CATALOGUE_BYTES_MAX = 1_500_000;
/** Size of an event type besides its texts. */
const ENTRY_BYTES = 200;
/**
 * Size of each value of a schema besides its text: as much as it may take more in a response than as JSON.
 * Each takes some microseconds to convert, too, and without this a catalogue might hold 500,000.
 */
const VALUE_BYTES = 16;
/** Maximum versions of one event type; more are published only by accident. */
const VERSIONS_MAX = 1_000;

/** An event type defined at run time, as of its latest version and without its texts. */
export type StoredEventType = {
  readonly id: number;
  readonly code: string;
  /** True: shared by all accounts. False: owned by one account. */
  readonly shared: boolean;
  /** The latest version, from 1. */
  readonly version: number;
  /** Those of the latest version. */
  readonly keys: readonly EventTypeKey[];
  readonly createdAt: number;
  readonly archivedAt: number | null;
};

/** The texts of one version. */
export type EventTypeVersion = {
  readonly version: number;
  readonly description: string;
  /** The JSON Schema, as JSON. */
  readonly schemaJson: string;
  /** JSON as its author wrote it. */
  readonly sampleJson: string;
  readonly keys: readonly EventTypeKey[];
  readonly storedAt: number;
};

type Texts = Pick<EventTypeVersion, "description" | "schemaJson" | "sampleJson"> & {
  /** Default: none. */
  readonly keys?: readonly EventTypeKey[];
};
type Owner = AccountId | "shared";

/**
 * Stores an event type as version 1.
 *
 * @throws Refusal `already_exists` if the account or the shared catalogue has the code (for a shared event
 *   type: if any account has it), `too_many` if the owner's catalogue is full, `unauthenticated` if the
 *   account's erasure has been requested
 */
export async function createEventType(
  store: Store,
  input: { owner: Owner; code: string; now: number; by?: By } & Texts,
): Promise<StoredEventType & EventTypeVersion> {
  const { owner, code, now, by = BY_PROGRAM } = input;
  try {
    return await transact(store, async (tx) => {
      if (owner !== "shared") await lockAccount(store, tx, owner);
      const { insertId } = await tx
        .insertInto("event_types")
        .values({
          account_id: ownerId(owner),
          code,
          version: 1,
          bytes: bytesOf(input),
          created_at: now,
          updated_at: now,
          archived_at: null,
          keys_json: keysJson(input),
        })
        .executeTakeFirstOrThrow();
      const id = Number(insertId);
      await requireCodeFree(store, tx, owner, code, id);
      await requireRoom(tx, owner);
      const version = await addVersion(tx, owner, id, 1, input);
      const after = { version: 1, description: input.description };
      const entry = { accountId: ownerId(owner), subject: "event_type", id: code, after } as const;
      await enter(tx, [{ by, ...entry, storesBytes: bytesOf(input), now }]);
      return { id, code, shared: owner === "shared", createdAt: now, archivedAt: null, ...version };
    });
  } catch (error) {
    throw store.seam.isDuplicate(error) ? codeTaken(code) : error;
  }
}

/**
 * Stores the next version, if `basedOn` is still the latest version and the event type is not archived.
 *
 * @returns undefined if it is not: read the event type again
 * @throws Refusal `too_many` if the owner's catalogue is full or the event type has too many versions
 */
export async function updateEventType(
  store: Store,
  input: { id: number; owner: Owner; basedOn: number; now: number; by?: By } & Texts,
): Promise<EventTypeVersion | undefined> {
  const { id, owner, basedOn, now, by = BY_PROGRAM } = input;
  requireVersionFree(basedOn);
  return await transact(store, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("event_types")
      .set({
        version: basedOn + 1,
        bytes: bytesOf(input),
        updated_at: now,
        keys_json: keysJson(input),
      })
      .where("id", "=", id)
      .where("version", "=", basedOn)
      .where("archived_at", "is", null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return undefined;
    await requireRoom(tx, owner);
    const version = await addVersion(tx, owner, id, basedOn + 1, input);
    const { code } = await tx
      .selectFrom("event_types")
      .select("code")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    // What else a version changes is in the versions, which stay.
    const change = { before: { version: basedOn }, after: { version: version.version } };
    const entry = { accountId: ownerId(owner), subject: "event_type", id: code, ...change } as const;
    await enter(tx, [{ by, ...entry, storesBytes: bytesOf(input), now }]);
    return version;
  });
}

/**
 * Checks what {@link createEventType} would refuse, or {@link updateEventType} if `type` is given. It stores
 * nothing and locks nothing, so a change at the same time may still lead to a refusal later.
 *
 * @throws Refusal as these
 */
export async function checkEventType(
  store: Store,
  input: {
    owner: Owner;
    code: string;
    /** What gets a new version. Undefined: the event type is new. */
    type: Pick<StoredEventType, "id" | "version"> | undefined;
  } & Texts,
): Promise<void> {
  const { owner, code, type } = input;
  if (type !== undefined) requireVersionFree(type.version);
  else {
    const taken = store.db.selectFrom("event_types").select("id").where("code", "=", code).limit(1);
    const seen = owner === "shared" ? taken : taken.where("account_id", "in", [owner, SHARED]);
    if ((await seen.executeTakeFirst()) !== undefined) throw codeTaken(code);
  }
  const others = await bytesOfOwner(store.db, owner, type?.id);
  requireFits(others + bytesOf(input));
}

/** Archives an event type. One that was archived before keeps its time. */
export async function archiveEventType(
  store: Store,
  { id, now, by = BY_PROGRAM }: { id: number; now: number; by?: By },
): Promise<void> {
  await transact(store, async (tx) => {
    const query = tx.selectFrom("event_types").select(["account_id", "code", "archived_at"]);
    const type = await lockRows(store, query.where("id", "=", id)).executeTakeFirst();
    if (type === undefined || type.archived_at !== null) return;
    await tx.updateTable("event_types").set({ archived_at: now }).where("id", "=", id).execute();
    const entry = { accountId: type.account_id, subject: "event_type", id: type.code } as const;
    await enter(tx, [{ by, ...entry, after: { archived_at: auditedTime(now) }, now }]);
  });
}

/**
 * Returns a page of an owner's event types, including archived ones, in alphabetical order of their codes.
 *
 * @param page.after the last code of the page before
 */
export async function listEventTypes(
  store: Store,
  owner: Owner,
  { after = "", limit }: { after?: string | undefined; limit: number },
): Promise<StoredEventType[]> {
  const rows = await store.db
    .selectFrom("event_types")
    .selectAll()
    .where("account_id", "=", ownerId(owner))
    .where("code", ">", after)
    .orderBy("code")
    .limit(limit)
    .execute();
  return rows.map(storedOf);
}

/** Returns one event type; undefined: not found. */
export async function getEventType(store: Store, id: number): Promise<StoredEventType | undefined> {
  const row = await store.db.selectFrom("event_types").selectAll().where("id", "=", id).executeTakeFirst();
  return row && storedOf(row);
}

/** Returns the texts of the latest version of each of an owner's event types, by the event type's id. */
export async function readEventTypes(
  store: Store,
  owner: Owner,
): Promise<ReadonlyMap<number, EventTypeVersion>> {
  const rows = await store.db
    .selectFrom("event_types")
    .innerJoin("event_type_versions", (join) =>
      join
        .onRef("event_type_versions.event_type_id", "=", "event_types.id")
        .onRef("event_type_versions.version", "=", "event_types.version"),
    )
    .selectAll("event_type_versions")
    .where("event_types.account_id", "=", ownerId(owner))
    .execute();
  return new Map(rows.map((row) => [row.event_type_id, versionOf(row)]));
}

/** Returns the texts of one version; undefined: not found. */
export async function readEventType(
  store: Store,
  { id, version }: { id: number; version: number },
): Promise<EventTypeVersion | undefined> {
  const row = await store.db
    .selectFrom("event_type_versions")
    .selectAll()
    .where("event_type_id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst();
  return row && versionOf(row);
}

async function addVersion(
  tx: Tx,
  owner: Owner,
  id: number,
  version: number,
  texts: Texts & { now: number },
): Promise<EventTypeVersion> {
  const { description, schemaJson, sampleJson, keys = [], now } = texts;
  await tx
    .insertInto("event_type_versions")
    .values({
      event_type_id: id,
      account_id: ownerId(owner),
      version,
      description,
      schema_json: schemaJson,
      sample_json: sampleJson,
      created_at: now,
      keys_json: keysJson(texts),
    })
    .execute();
  return { version, description, schemaJson, sampleJson, keys, storedAt: now };
}

/**
 * Refuses a code that is both shared and an account's own, because a code means one thing to an account. No
 * index can express that. The new row is therefore inserted first, and this query then waits for uncommitted
 * rows of others. If two transactions wait for each other, the database runs one again.
 */
async function requireCodeFree(store: Store, tx: Tx, owner: Owner, code: string, id: number): Promise<void> {
  const query = tx
    .selectFrom("event_types")
    .select("account_id")
    .where("code", "=", code)
    .where("id", "!=", id);
  const others = await lockRows(store, query).execute();
  if (others.some((other) => owner === "shared" || other.account_id === SHARED)) throw codeTaken(code);
}

async function requireRoom(tx: Tx, owner: Owner): Promise<void> {
  requireFits(await bytesOfOwner(tx, owner));
}

/** @param except an event type that does not count */
async function bytesOfOwner(db: Store["db"] | Tx, owner: Owner, except = 0): Promise<number> {
  const { bytes } = await db
    .selectFrom("event_types")
    .select((eb) => eb.fn.sum("bytes").as("bytes"))
    .where("account_id", "=", ownerId(owner))
    .where("id", "!=", except)
    .executeTakeFirstOrThrow();
  return Number(bytes);
}

function requireFits(bytes: number): void {
  if (bytes <= CATALOGUE_BYTES_MAX) return;
  throw new Refusal(
    "too_many",
    `the catalogue would take ${bytes} bytes, with ${VALUE_BYTES} more for each value in a schema; the maximum is ${CATALOGUE_BYTES_MAX}: shorten some schemas and samples`,
    { reason: "CATALOGUE_FULL", metadata: { limit: String(CATALOGUE_BYTES_MAX) } },
  );
}

function requireVersionFree(basedOn: number): void {
  if (basedOn < VERSIONS_MAX) return;
  throw new Refusal("too_many", `this event type has ${VERSIONS_MAX} versions, the maximum`, {
    metadata: { limit: String(VERSIONS_MAX) },
  });
}

function bytesOf({ description, schemaJson, sampleJson, ...keys }: Texts): number {
  const texts = Buffer.byteLength(description + schemaJson + sampleJson + (keysJson(keys) ?? ""));
  return ENTRY_BYTES + texts + VALUE_BYTES * valuesIn(JSON.parse(schemaJson));
}

/** Counts a JSON value with all values inside it. */
function valuesIn(json: unknown): number {
  if (typeof json !== "object" || json === null) return 1;
  return Object.values(json).reduce<number>((sum, value) => sum + valuesIn(value), 1);
}

/** The owner of the event types that all accounts share. */
const SHARED = OF_INSTALLATION;

function ownerId(owner: Owner): AccountId {
  return owner === "shared" ? SHARED : owner;
}

function codeTaken(code: string): Refusal {
  return new Refusal("already_exists", `an event type ${code} already exists; choose another code`, {
    reason: "EVENT_TYPE_EXISTS",
    field: "code",
  });
}

function storedOf(row: Selectable<Tables["event_types"]>): StoredEventType {
  return {
    id: row.id,
    code: row.code,
    shared: row.account_id === SHARED,
    version: row.version,
    keys: keysOf(row),
    createdAt: row.created_at,
    archivedAt: row.archived_at,
  };
}

function versionOf(row: Selectable<Tables["event_type_versions"]>): EventTypeVersion {
  return {
    version: row.version,
    description: row.description,
    schemaJson: row.schema_json,
    sampleJson: row.sample_json,
    keys: keysOf(row),
    storedAt: row.created_at,
  };
}

function keysJson({ keys = [] }: Pick<Texts, "keys">): string | null {
  return keys.length === 0 ? null : JSON.stringify(keys);
}

function keysOf({ keys_json: json }: { keys_json: string | null }): EventTypeKey[] {
  return json === null ? [] : (JSON.parse(json) as EventTypeKey[]);
}
