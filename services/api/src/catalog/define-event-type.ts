import type { JsonObject } from "@bufbuild/protobuf";
import {
  type AccountId,
  EVENT_TYPES,
  isOperational,
  noteNumberTexts,
  parseEventData,
  plainText,
  Refusal,
  requireUnicode,
  schemaBreaks,
} from "@posthaste/domain";
import {
  archiveEventType,
  createEventType,
  type Principal,
  type Store,
  updateEventType,
} from "@posthaste/store";
import { requireScope } from "../access/auth.ts";
import type { Catalog, CatalogEntry, CatalogTexts } from "./catalog.ts";
import { requireEventType } from "./require-event-type.ts";
import { compileSchema } from "./schema/compile-schema.ts";
import { SCHEMA_BYTES_MAX } from "./schema/read-schema.ts";
import { sentenceOf, violationsOf } from "./schema/violations.ts";
import { newWork, WorkExceeded } from "./schema/work.ts";
import { structJson } from "./struct-json.ts";

const DESCRIPTION_CHARS_MAX = 500;
const SAMPLE_BYTES_MAX = 65_536;
/** Maximum breaking changes named by a refusal. */
const BREAKS_MAX = 10;
/** Tries of an update, if others change the same event type concurrently. */
const RUNS_MAX = 5;

/** The dependencies of changes to the catalogue. */
export type CatalogEditor = {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly now: () => number;
};

type Defined = readonly [CatalogEntry, CatalogTexts];

/**
 * Adds an event type to the account's catalogue or, if `shared`, to every account's.
 *
 * @throws Refusal
 */
export async function defineEventType(
  { store, catalog, now }: CatalogEditor,
  principal: Principal,
  wanted: {
    code: string;
    description: string;
    schema: JsonObject;
    sampleJson: string;
    shared: boolean;
  },
): Promise<Defined> {
  const { code, shared } = wanted;
  if (shared) requireScope(principal, "admin");
  if (isOperational(code) || EVENT_TYPES.some((type) => type.code === code)) {
    throw new Refusal("already_exists", `the event type ${code} is built in; choose another code`, {
      reason: "EVENT_TYPE_EXISTS",
      field: "code",
    });
  }
  const texts = checkTexts(wanted);
  const owner = shared ? "shared" : principal.accountId;
  const stored = await createEventType(store, { owner, code, ...texts, now: now() });
  catalog.changed(owner);
  return [{ code, stored, version: stored.version, archivedAt: null }, stored];
}

/**
 * Stores a new version of an event type; undefined fields keep their values.
 *
 * @throws Refusal
 */
export async function redefineEventType(
  { store, catalog, now }: CatalogEditor,
  principal: Principal,
  wanted: {
    code: string;
    description: string | undefined;
    schema: JsonObject | undefined;
    sampleJson: string | undefined;
    allowBreaking: boolean;
  },
): Promise<Defined> {
  for (let run = 1; run <= RUNS_MAX; run++) {
    const { entry, stored, owner } = await requireChangeable(catalog, principal, wanted.code);
    if (entry.archivedAt !== null) {
      throw new Refusal("wrong_state", `the event type ${wanted.code} is archived and cannot be changed`, {
        reason: "EVENT_TYPE_ARCHIVED",
        field: "code",
      });
    }
    const before = await catalog.texts(entry);
    if (before === undefined) throw new Error(`the event type ${wanted.code} has no texts`);
    const schemaBefore = JSON.parse(before.schemaJson) as JsonObject;
    const texts = checkTexts({
      description: wanted.description ?? before.description,
      schema: wanted.schema ?? schemaBefore,
      sampleJson: wanted.sampleJson ?? before.sampleJson,
    });
    if (wanted.schema !== undefined && !wanted.allowBreaking) requireReadable(schemaBefore, wanted.schema);
    const { id, version: basedOn } = stored;
    const version = await updateEventType(store, { id, owner, basedOn, ...texts, now: now() });
    // Also if another process was faster: then the catalogue cached here is older than the database.
    catalog.changed(owner);
    if (version !== undefined) {
      return [
        { ...entry, stored: { ...stored, version: version.version }, version: version.version },
        version,
      ];
    }
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
  principal: Principal,
  code: string,
): Promise<Defined> {
  const { stored, owner } = await requireChangeable(catalog, principal, code);
  await archiveEventType(store, { id: stored.id, now: now() });
  catalog.changed(owner);
  const entry = await requireEventType(catalog, principal.accountId, code, "code", "not_found");
  const texts = await catalog.texts(entry);
  if (texts === undefined) throw new Error(`the event type ${code} has no texts`);
  return [entry, texts];
}

async function requireChangeable(catalog: Catalog, principal: Principal, code: string) {
  const entry = await requireEventType(catalog, principal.accountId, code, "code", "not_found");
  const { stored } = entry;
  if (stored === null) {
    throw new Refusal(
      "wrong_state",
      `the event type ${code} is built in and cannot be changed; create an event type of your own`,
      { reason: "EVENT_TYPE_BUILT_IN", field: "code" },
    );
  }
  if (stored.shared) requireScope(principal, "admin");
  const owner: AccountId | "shared" = stored.shared ? "shared" : principal.accountId;
  return { entry, stored, owner };
}

/** @throws Refusal naming the field and the path in it */
function checkTexts(texts: { description: string; schema: JsonObject; sampleJson: string }) {
  const description = plainText(texts.description, "description", DESCRIPTION_CHARS_MAX);
  const schemaJson = structJson(texts.schema, "schema");
  requireBytes(schemaJson, "schema", SCHEMA_BYTES_MAX);
  const validate = compileSchema(texts.schema);
  const { sampleJson } = texts;
  requireUnicode(sampleJson, "sample_json");
  requireBytes(sampleJson, "sample_json", SAMPLE_BYTES_MAX);
  const sample = parseEventData(sampleJson, "sample_json").value;
  noteNumberTexts(sample, sampleJson);
  const [wrong] = violationsOf(
    validateSample(() => validate(sample, newWork())),
    1,
  );
  if (wrong !== undefined) {
    throw new Refusal("invalid", `sample_json does not match the schema: ${sentenceOf(wrong)}`, {
      reason: "SCHEMA_INVALID",
      field: "sample_json",
    });
  }
  return { description, schemaJson, sampleJson };
}

function validateSample<T>(validate: () => T): T {
  try {
    return validate();
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    throw new Refusal("invalid", "schema takes too many steps to check the sample alone; simplify it", {
      reason: "SCHEMA_TOO_COSTLY",
      field: "schema",
      cause: error,
    });
  }
}

function requireBytes(text: string, field: string, bytesMax: number): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return;
  throw new Refusal("invalid", `${field} has ${bytes} bytes; at most ${bytesMax} are allowed`, { field });
}

/** @throws Refusal `wrong_state`, naming the first breaking changes */
function requireReadable(before: JsonObject, after: JsonObject): void {
  const breaks = schemaBreaks(before, after);
  if (breaks.length === 0) return;
  const named = breaks.slice(0, BREAKS_MAX);
  const more = breaks.length > named.length ? [`and ${breaks.length - named.length} more`] : [];
  throw new Refusal(
    "wrong_state",
    `receivers of the previous version could not read this: ${[...named, ...more].join("; ")}. Send allow_breaking to change it anyway`,
    {
      reason: "SCHEMA_BREAKS",
      field: "schema",
      details: named.map((message) => ({ field: "schema", message })),
    },
  );
}
