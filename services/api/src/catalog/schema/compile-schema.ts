import type { JsonObject } from "@bufbuild/protobuf";
import { Refusal } from "@posthaste/domain";
import { _, type AnySchemaObject, type ErrorObject, type Format, Name, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats, { type FormatName } from "ajv-formats";
import { countExactly } from "./exact-numbers.ts";
import { linearPattern } from "./linear-pattern.ts";
import { beginTracking, mendKeywords } from "./mended-keywords.ts";
import { COST, type Cost, FORMATS, readSchema } from "./read-schema.ts";
import { uniqueItems } from "./unique-items.ts";
import { charge, newWork, spending, type Work, WorkExceeded } from "./work.ts";

/**
 * Maximum errors held at once. Errors of failed alternatives are dropped only once another alternative
 * matches.
 */
const ERRORS_MAX = 10_000;
/** Steps for listing all errors, in addition to those for finding the first. Each step may add an error. */
const LISTING_STEPS_MAX = 50_000;
/** Longest text that a format can match. */
const FORMAT_CHARS_MAX = 2_048;
/** Characters of a text per step, for checks that take time in proportion to its length. */
const CHARS_A_STEP = 64;

/** The variable in Ajv's generated code that holds the errors so far, or null. */
const ERRORS = new Name("vErrors");

/** Returns a snapshot's errors; none if it matches. @throws WorkExceeded */
export type Validate = (snapshot: unknown, work: Work) => readonly ErrorObject[];
/** Returns whether a snapshot matches. @throws WorkExceeded */
export type Matches = (snapshot: unknown, work: Work) => boolean;

/**
 * Validates schemas themselves, against the meta-schema, whose patterns and formats are known to be harmless.
 */
const meta = new Ajv2020({ strict: false, validateFormats: false, logger: false, allErrors: false });

/**
 * Compiles an untrusted schema. Every step of checking by it is charged, so checking always ends.
 *
 * @throws Refusal `invalid`, field `schema`
 */
export function compileSchema(schema: JsonObject): Validate {
  const readable = readSchema(schema);
  // An earlier dialect is read as this one.
  const { $schema: _, ...asRead } = schema;
  if (meta.validateSchema(asRead) !== true) {
    const [error] = meta.errors ?? [];
    throw refuse(`${error?.instancePath ?? ""} ${error?.message ?? "is not a schema"}`.trim());
  }
  const isRight = compile(readable, { allErrors: false });
  // Most snapshots match, so the code that lists every error is compiled only when it is needed.
  let listing: ValidateFunction | undefined;
  return (snapshot, work) => {
    if (spending(work, () => isRight(snapshot))) return [];
    const first = isRight.errors ?? [];
    listing ??= compile(readable, { allErrors: true });
    const list = listing;
    try {
      spending(newWork(LISTING_STEPS_MAX), () => list(snapshot));
      return list.errors ?? first;
    } catch (error) {
      if (error instanceof WorkExceeded) return first;
      throw error;
    }
  };
}

/** Compiles a schema that {@link compileSchema} has accepted before. */
export function compileMatcher(schema: JsonObject): Matches {
  const isRight = compile(readSchema(schema), { allErrors: false });
  return (snapshot, work) => spending(work, () => isRight(snapshot));
}

function compile(schema: AnySchemaObject, { allErrors }: { allErrors: boolean }): ValidateFunction {
  // An Ajv instance keeps everything it has compiled, so each schema gets an instance of its own.
  const ajv = new Ajv2020({
    allErrors,
    strict: false,
    strictNumbers: true,
    ownProperties: true,
    inlineRefs: false,
    meta: false,
    validateSchema: false,
    logger: false,
    formats: formats(),
    code: {
      // The engine optimises by itself; Ajv's passes over its code take half of the time of compiling.
      optimize: false,
      regExp: Object.assign(linearPattern, { code: "linearPattern" }),
    },
  });
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword(uniqueItems);
  // Tracking what has been evaluated costs time, so it is on only for schemas that need it.
  const tracks = (schema[COST] as Cost | undefined)?.tracks === true;
  ajv.opts.unevaluated = tracks;
  countExactly(ajv);
  mendKeywords(ajv);
  ajv.addKeyword({
    keyword: COST,
    before: "$ref",
    code(cxt) {
      const { gen, data } = cxt;
      const pay = gen.scopeValue("func", { ref: chargeFor });
      const cost = gen.scopeValue("schema", { ref: cxt.schema as Cost });
      gen.code(_`${pay}(${cost}, ${data}, ${ERRORS})`);
      if (tracks) beginTracking(cxt);
    },
  });
  try {
    return ajv.compile(schema);
  } catch (error) {
    if (error instanceof RangeError) throw refuse("it is too large to compile", error);
    // Ajv reports a bad schema with a plain Error; any other error is a fault.
    if (!(error instanceof Error) || error.name !== "Error" || error instanceof Refusal) throw error;
    throw refuse(error.message, error);
  }
}

function chargeFor(cost: Cost, data: unknown, errors: unknown[] | null): void {
  if (errors !== null && errors.length > ERRORS_MAX) throw new WorkExceeded("a schema has too many errors");
  charge(cost.steps);
  if (typeof data === "string") charge(Math.floor(data.length / CHARS_A_STEP));
  else if (Array.isArray(data)) charge(cost.perItem * data.length);
  else if (cost.perProperty > 0 && typeof data === "object" && data !== null) {
    charge(cost.perObject + cost.perProperty * Object.keys(data).length);
  }
}

function formats(): Record<string, Format> {
  return Object.fromEntries(FORMATS.map((name) => [name, bounded(name)]));
}

function bounded(name: FormatName): Format {
  // Exact formats of dates check the calendar. Other exact formats may take more than linear time.
  const exact = name.startsWith("date") || name === "time";
  const format = addFormats.default.get(name, exact ? "full" : "fast");
  return (text: string) => text.length <= FORMAT_CHARS_MAX && fits(format, text);
}

function fits(format: Format, text: string): boolean {
  if (format instanceof RegExp) return format.test(text);
  if (typeof format === "function") return format(text);
  if (typeof format === "object" && "validate" in format) {
    const { validate } = format;
    if (validate instanceof RegExp) return validate.test(text);
    if (typeof validate === "function") return validate(text as never) === true;
  }
  throw new Error("unknown kind of format");
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal("invalid", `schema is not a JSON Schema (2020-12): ${why.slice(0, 200)}`, {
    reason: "SCHEMA_INVALID",
    field: "schema",
    cause,
  });
}
