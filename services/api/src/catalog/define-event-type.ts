import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "@bufbuild/protobuf";
import {
  EVENT_TYPES,
  type EventTypeKey,
  isOperational,
  plainText,
  Refusal,
  requireKeys,
  requireUnicode,
} from "@posthaste/domain";
import {
  archiveEventType,
  type By,
  checkEventType,
  createEventType,
  getEventType,
  type Store,
  type StoredEventType,
  updateEventType,
} from "@posthaste/store";
import { requireScope } from "../access/auth.ts";
import type { Caller } from "../access/caller.ts";
import type { Catalog, CatalogEntry, CatalogTexts } from "./catalog.ts";
import { entryOf, type TypeOwner } from "./owner-types.ts";
import { requireEventType } from "./require-event-type.ts";
import { SCHEMA_BYTES_MAX } from "./schema/read-schema.ts";
import type { SchemaThreads } from "./schema/schema-threads.ts";
import { structJson } from "./struct-json.ts";

const DESCRIPTION_CHARS_MAX = 500;
const SAMPLE_BYTES_MAX = 65_536;
/** Tries of an update, if others change the same event type concurrently. */
const RUNS_MAX = 5;

/** The dependencies of changes to the catalogue. */
export type CatalogEditor = {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly schemaThreads: SchemaThreads;
  readonly now: () => number;
};

type Defined = readonly [CatalogEntry, CatalogTexts];

/** True: everything is checked, and nothing is stored. */
type ValidateOnly = { readonly validateOnly: boolean };

/**
 * Adds an event type to the account's catalogue or, if `shared`, to every account's.
 *
 * @throws Refusal
 */
export async function defineEventType(
  { store, catalog, schemaThreads, now }: CatalogEditor,
  caller: Caller,
  wanted: {
    code: string;
    description: string;
    schema: JsonObject;
    sampleJson: string;
    keys: readonly EventTypeKey[];
    shared: boolean;
    by: By;
  } & ValidateOnly,
): Promise<Defined> {
  const { code, shared, by } = wanted;
  if (shared) requireScope(caller, "admin");
  if (isOperational(code) || EVENT_TYPES.some((type) => type.code === code)) {
    throw new Refusal("already_exists", `the event type ${code} is built in; choose another code`, {
      reason: "EVENT_TYPE_EXISTS",
      field: "code",
    });
  }
  requireKeys(wanted.keys, "keys");
  const texts = await checkTexts(schemaThreads, caller, wanted);
  const owner = shared ? "shared" : caller.accountId;
  if (wanted.validateOnly) {
    await checkEventType(store, { owner, code, type: undefined, ...texts });
    const type = { id: 0, code, shared, keys: texts.keys, createdAt: now(), archivedAt: null };
    return [entryOf({ ...type, version: 1 }), { ...texts, version: 1, storedAt: type.createdAt }];
  }
  const stored = await createEventType(store, { owner, code, ...texts, now: now(), by });
  const { id, version, keys, createdAt, archivedAt } = stored;
  const type = { id, code, shared, version, keys, createdAt, archivedAt };
  catalog.changed(owner, type);
  return [entryOf(type), stored];
}

/**
 * Stores a new version of an event type; undefined fields keep their values. If none differs, there is none.
 *
 * @throws Refusal
 */
export async function redefineEventType(
  { store, catalog, schemaThreads, now }: CatalogEditor,
  caller: Caller,
  wanted: {
    code: string;
    description: string | undefined;
    schema: JsonObject | undefined;
    sampleJson: string | undefined;
    keys: readonly EventTypeKey[] | undefined;
    allowBreaking: boolean;
    by: By;
  } & ValidateOnly,
): Promise<Defined> {
  if (wanted.keys !== undefined) requireKeys(wanted.keys, "keys.keys");
  for (let run = 1; run <= RUNS_MAX; run++) {
    const { entry, stored, owner } = await requireChangeable(catalog, caller, wanted.code);
    if (entry.archivedAt !== null) {
      throw new Refusal("wrong_state", `the event type ${wanted.code} is archived and cannot be changed`, {
        reason: "EVENT_TYPE_ARCHIVED",
        field: "code",
      });
    }
    const before = await catalog.texts(entry);
    if (before === undefined) throw new Error(`the event type ${wanted.code} has no texts`);
    const isCompared = wanted.schema !== undefined && !wanted.allowBreaking;
    const texts = await checkTexts(schemaThreads, caller, {
      description: wanted.description ?? before.description,
      schema: wanted.schema ?? (JSON.parse(before.schemaJson) as JsonObject),
      sampleJson: wanted.sampleJson ?? before.sampleJson,
      keys: wanted.keys ?? before.keys,
      schemaBefore: isCompared ? before.schemaJson : undefined,
    });
    if (isSame(texts, before)) {
      // The catalogue kept here may be older than the database.
      const latest = await rereadType(store, catalog, owner, stored.id);
      if (isDeepStrictEqual(latest, stored)) return [entry, before];
      continue;
    }
    const { id, version: basedOn } = stored;
    if (wanted.validateOnly) {
      await checkEventType(store, { owner, code: wanted.code, type: stored, ...texts });
      const next = { version: basedOn + 1, keys: texts.keys };
      return [entryOf({ ...stored, ...next }), { ...texts, ...next, storedAt: now() }];
    }
    const version = await updateEventType(store, { id, owner, basedOn, ...texts, now: now(), by: wanted.by });
    if (version !== undefined) {
      const changed = { ...stored, version: version.version, keys: version.keys };
      catalog.changed(owner, changed);
      return [entryOf(changed), version];
    }
    // Another call or process was faster: the catalogue kept here is older than the database.
    await rereadType(store, catalog, owner, id);
  }
  throw new Refusal("wrong_state", `others are changing ${wanted.code} right now; try again`, {
    reason: "CONFLICT",
    field: "code",
  });
}

/**
 * Archives an event type. Archiving an archived type changes nothing.
 *
 * @throws Refusal
 */
export async function retireEventType(
  { store, catalog, now }: CatalogEditor,
  caller: Caller,
  { code, by }: { code: string; by: By },
): Promise<Defined> {
  const { stored, owner } = await requireChangeable(catalog, caller, code);
  await archiveEventType(store, { id: stored.id, now: now(), by });
  const entry = entryOf(await rereadType(store, catalog, owner, stored.id));
  const texts = await catalog.texts(entry);
  if (texts === undefined) throw new Error(`the event type ${code} has no texts`);
  return [entry, texts];
}

/** Puts what the database says of an event type into the catalogue. */
async function rereadType(
  store: Store,
  catalog: Catalog,
  owner: TypeOwner,
  id: number,
): Promise<StoredEventType> {
  const type = await getEventType(store, id);
  if (type === undefined) throw new Error(`the event type ${id} is gone`);
  catalog.changed(owner, type);
  return type;
}

async function requireChangeable(catalog: Catalog, caller: Caller, code: string) {
  const entry = await requireEventType(catalog, caller.accountId, code, "code", "not_found");
  const { stored } = entry;
  if (stored === null) {
    throw new Refusal(
      "wrong_state",
      `the event type ${code} is built in and cannot be changed; create an event type of your own`,
      { reason: "EVENT_TYPE_BUILT_IN", field: "code" },
    );
  }
  if (stored.shared) requireScope(caller, "admin");
  const owner: TypeOwner = stored.shared ? "shared" : caller.accountId;
  return { entry, stored, owner };
}

/** @throws Refusal naming the field and the path in it */
async function checkTexts(
  threads: SchemaThreads,
  { token }: Caller,
  texts: {
    description: string;
    schema: JsonObject;
    sampleJson: string;
    keys: readonly EventTypeKey[];
    /** The schema of the version before, if its receivers must be able to read this one. */
    schemaBefore?: string | undefined;
  },
) {
  const description = plainText(texts.description, "description", DESCRIPTION_CHARS_MAX);
  const schemaJson = structJson(texts.schema, "schema");
  requireBytes(schemaJson, "schema", SCHEMA_BYTES_MAX);
  const { sampleJson, keys, schemaBefore } = texts;
  requireUnicode(sampleJson, "sample_json");
  requireBytes(sampleJson, "sample_json", SAMPLE_BYTES_MAX);
  await threads.define(token.accountId, { schemaJson, sampleJson, schemaBefore });
  return { description, schemaJson, sampleJson, keys };
}

function isSame(texts: Omit<CatalogTexts, "version" | "storedAt">, before: CatalogTexts): boolean {
  const { description, schemaJson, sampleJson, keys } = before;
  return isDeepStrictEqual(texts, { description, schemaJson, sampleJson, keys });
}

function requireBytes(text: string, field: string, bytesMax: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return;
  throw new Refusal("invalid", `${field} has ${bytes} bytes; at most ${bytesMax} are allowed`, { field });
}
