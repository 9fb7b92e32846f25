import type { JsonObject } from "@bufbuild/protobuf";
import { noteNumberTexts, parseEventData, Refusal, schemaBreaks } from "@posthaste/domain";
import { compileSchema, type Validate } from "./compile-schema.ts";
import { createKeptSchemas, type SchemaOwner } from "./kept-schemas.ts";
import { snapshotOf } from "./snapshot-of.ts";
import { sentenceOf, type Violation, violationsOf } from "./violations.ts";
import { newWork, type Work, WorkExceeded } from "./work.ts";

/** Maximum breaking changes named by a refusal. */
const BREAKS_MAX = 10;

/** Checks the events of one call. */
export type CheckRun = {
  readonly kind: "check";
  /** The event types' schemas. */
  readonly schemas: readonly {
    readonly owner: SchemaOwner;
    readonly key: string;
    readonly code: string;
    readonly json: string;
  }[];
  /** Each event's schema, by its index, and its snapshot as text. */
  readonly events: readonly { readonly schema: number; readonly json: string }[];
  /** Maximum violations for each event. */
  readonly violationsMax: number;
};

/** Checks a new version of an event type. */
export type DefineRun = {
  readonly kind: "define";
  readonly schemaJson: string;
  readonly sampleJson: string;
  /** The schema of the version before, if its receivers must be able to read the new one. */
  readonly schemaBefore: string | undefined;
};

/** What a thread answers. Classes do not survive the way between threads, so a refusal is taken apart. */
export type Answer<T> =
  | { readonly value: T }
  | { readonly refused: Pick<Refusal, "code" | "message" | "reason" | "metadata" | "field" | "details"> };

/** Runs in a thread of its own (`schema-threads.ts`). */
export function run(wanted: CheckRun | DefineRun): Answer<Violation[][] | undefined> {
  try {
    return { value: wanted.kind === "check" ? check(wanted) : define(wanted) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { code, message, reason, metadata, field, details } = error;
    return { refused: { code, message, reason, metadata, field, details } };
  }
}

/** This thread's compiled schemas. */
const compiled = createKeptSchemas<Validate>();

function check({ schemas, events, violationsMax }: CheckRun): Violation[][] {
  const work = newWork();
  const validators = schemas.map(({ owner, key, code, json }) => {
    const validate = compiled.get(owner, key) ?? compileStored(code, json);
    compiled.set(owner, key, validate, json);
    return { code, validate };
  });
  return events.map(({ schema, json }) => {
    const validator = validators[schema];
    if (validator === undefined) throw new Error(`there is no schema ${schema}`);
    try {
      return violationsOf(validator.validate(snapshotOf(json), work), violationsMax);
    } catch (error) {
      if (!(error instanceof WorkExceeded)) throw error;
      const message = `cannot be checked: the schema of ${validator.code} takes too many steps; simplify the schema, or send fewer events in one call`;
      return [{ path: "", message }];
    }
  });
}

/** Compiles a stored schema. It compiled when it was stored, so a failure now is a fault, not a refusal. */
function compileStored(code: string, json: string): Validate {
  try {
    return compileSchema(JSON.parse(json) as JsonObject);
  } catch (cause) {
    throw new Error(`the stored schema of ${code} does not compile`, { cause });
  }
}

/** @throws Refusal naming the field and the path in it */
function define({ schemaJson, sampleJson, schemaBefore }: DefineRun): undefined {
  const schema = JSON.parse(schemaJson) as JsonObject;
  const validate = compileSchema(schema);
  const sample = parseEventData(sampleJson, "sample_json").value;
  noteNumberTexts(sample, sampleJson);
  const [wrong] = violationsOf(errorsOfSample(validate, sample, newWork()), 1);
  if (wrong !== undefined) {
    throw new Refusal("invalid", `sample_json does not match the schema: ${sentenceOf(wrong)}`, {
      reason: "SCHEMA_INVALID",
      field: "sample_json",
    });
  }
  if (schemaBefore !== undefined) requireReadable(JSON.parse(schemaBefore) as JsonObject, schema);
}

function errorsOfSample(validate: Validate, sample: object, work: Work): ReturnType<Validate> {
  try {
    return validate(sample, work);
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    throw new Refusal("invalid", "schema takes too many steps to check the sample alone; simplify it", {
      reason: "SCHEMA_TOO_COSTLY",
      field: "schema",
      cause: error,
    });
  }
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
