import { type AccountId, Refusal } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";

/**
 * What one account's event types may take together, and the shared ones, in bytes of their latest versions: the
 * catalogue is answered in one piece, with both, and gRPC clients take 4 MiB.
 */
const CATALOGUE_BYTES_MAX = 1_500_000;
/** What one event type takes beside its texts. */
const ENTRY_BYTES = 200;
/** Versions of one event type; who needs more publishes by accident. */
const VERSIONS_MAX = 1_000;

/** An event type made at run time, as of its latest version and without its texts. */
export type StoredEventType = {
  readonly id: number;
  readonly code: string;
  /** False: the account's own. */
  readonly shared: boolean;
  /** The latest, from 1. */
  readonly version: number;
  readonly createdAt: number;
  readonly archivedAt: number | null;
};

/** The texts of one version. */
export type EventTypeVersion = {
  readonly version: number;
  readonly description: string;
  /** A JSON Schema as JSON. */
  readonly schemaJson: string;
  /** JSON as its author wrote it. */
  readonly sampleJson: string;
  readonly storedAt: number;
};

type Texts = Pick<EventTypeVersion, "description" | "schemaJson" | "sampleJson">;
type Owner = AccountId | "shared";

/**
 * Stores an event type as version 1.
 *
 * @throws Refusal `already_exists` where the account or everyone has the code (a shared one: where anyone has it),
 *   `too_many` where the owner's catalogue is full
 */
export async function createEventType(
  store: Store,
  input: { owner: Owner; code: string; now: number } & Texts,
): Promise<StoredEventType & EventTypeVersion> {
  const { owner, code, now } = input;
  try {
    return await transact(store, async (tx) => {
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
        })
        .executeTakeFirstOrThrow();
      const id = Number(insertId);
      await requireCodeFree(store, tx, owner, code, id);
      await requireRoom(tx, owner);
      const version = await addVersion(tx, owner, id, 1, input);
      return { id, code, shared: owner === "shared", createdAt: now, archivedAt: null, ...version };
    });
  } catch (error) {
    throw store.seam.isDuplicate(error) ? codeTaken(code) : error;
  }
}

/**
 * Stores the next version, where the one it is based on is still the latest and the event type is not archived.
 * Undefined: it is not, so look again.
 *
 * @throws Refusal `too_many` where the owner's catalogue is full, or the event type has too many versions
 */
export async function updateEventType(
  store: Store,
  input: { id: number; owner: Owner; basedOn: number; now: number } & Texts,
): Promise<EventTypeVersion | undefined> {
  const { id, owner, basedOn, now } = input;
  if (basedOn >= VERSIONS_MAX) {
    throw new Refusal("too_many", `this event type has ${VERSIONS_MAX} versions, as many as it may`);
  }
  return await transact(store, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("event_types")
      .set({ version: basedOn + 1, bytes: bytesOf(input), updated_at: now })
      .where("id", "=", id)
      .where("version", "=", basedOn)
      .where("archived_at", "is", null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return undefined;
    await requireRoom(tx, owner);
    return await addVersion(tx, owner, id, basedOn + 1, input);
  });
}

/** Archives an event type; one that was archived before keeps its time. */
export async function archiveEventType(
  store: Store,
  { id, now }: { id: number; now: number },
): Promise<void> {
  await store.db
    .updateTable("event_types")
    .set({ archived_at: now })
    .where("id", "=", id)
    .where("archived_at", "is", null)
    .execute();
}

/** An owner's event types, archived ones too, in alphabetical order of their codes. */
export async function listEventTypes(store: Store, owner: Owner): Promise<StoredEventType[]> {
  const rows = await store.db
    .selectFrom("event_types")
    .selectAll()
    .where("account_id", "=", ownerId(owner))
    .orderBy("code")
    .execute();
  return rows.map(storedOf);
}

/** The texts of these event types' latest versions, by event type. */
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

/** The texts of one version; undefined: there is none. */
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
  { description, schemaJson, sampleJson, now }: Texts & { now: number },
): Promise<EventTypeVersion> {
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
    })
    .execute();
  return { version, description, schemaJson, sampleJson, storedAt: now };
}

/**
 * A code means one thing to an account, so a shared one and an account's own must not be the same. No index can say
 * that: so the row is there first, and the look for others waits for theirs. Of two that wait for each other the
 * database runs one again.
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
  const { bytes } = await tx
    .selectFrom("event_types")
    .select((eb) => eb.fn.sum("bytes").as("bytes"))
    .where("account_id", "=", ownerId(owner))
    .executeTakeFirstOrThrow();
  if (Number(bytes) <= CATALOGUE_BYTES_MAX) return;
  throw new Refusal(
    "too_many",
    `the catalogue would take ${Number(bytes)} bytes with its schemas and samples; at most ${CATALOGUE_BYTES_MAX} are possible: shorten some`,
  );
}

function bytesOf({ description, schemaJson, sampleJson }: Texts): number {
  return ENTRY_BYTES + Buffer.byteLength(description + schemaJson + sampleJson);
}

/** Owns the event types that all accounts share. */
const SHARED = 0 as AccountId;

function ownerId(owner: Owner): AccountId {
  return owner === "shared" ? SHARED : owner;
}

function codeTaken(code: string): Refusal {
  return new Refusal("already_exists", `there is an event type ${code} already; choose another code`, {
    field: "code",
  });
}

function storedOf(row: Selectable<Tables["event_types"]>): StoredEventType {
  return {
    id: row.id,
    code: row.code,
    shared: row.account_id === SHARED,
    version: row.version,
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
    storedAt: row.created_at,
  };
}
