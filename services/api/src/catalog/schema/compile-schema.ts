import type { JsonObject } from "@bufbuild/protobuf";
import { Refusal } from "@posthaste/domain";
import { _, type AnySchemaObject, type ErrorObject, type Format, Name, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats, { type FormatName } from "ajv-formats";
import { linearPattern } from "./linear-pattern.ts";
import { beginTracking, mendKeywords } from "./mended-keywords.ts";
import { COST, type Cost, FORMATS, readSchema } from "./read-schema.ts";
import { uniqueItems } from "./unique-items.ts";
import { charge, newWork, spending, type Work, WorkExceeded } from "./work.ts";

/** Errors held at once; those of alternatives that fail are dropped only when another one fits. */
const ERRORS_MAX = 10_000;
/** Steps for listing what is wrong, beside those for telling whether anything is. Each may be an error to remember. */
const LISTING_STEPS_MAX = 50_000;
/** A text that is longer is of no format. */
const FORMAT_CHARS_MAX = 2_048;
/** Characters of a text that cost as much as one step, where its length is all that matters. */
const CHARS_A_STEP = 64;

/** What the code that Ajv makes calls its list of errors so far, or null. */
const ERRORS = new Name("vErrors");

/** Says what of a snapshot does not fit; an empty list: it fits. */
export type Validate = (snapshot: unknown, work: Work) => readonly ErrorObject[];

/** Says what a schema itself must be. Its own patterns and formats are known to be harmless. */
const meta = new Ajv2020({ strict: false, validateFormats: false, logger: false, allErrors: false });

/**
 * Compiles a schema that anybody may have sent. Whatever it is, checking by it ends: every step is charged.
 *
 * @throws Refusal `invalid`, field `schema`
 */
export function compileSchema(schema: JsonObject): Validate {
  const readable = readSchema(schema);
  if (meta.validateSchema(schema) !== true) {
    const [error] = meta.errors ?? [];
    throw refuse(`${error?.instancePath ?? ""} ${error?.message ?? "is no schema"}`.trim());
  }
  const isRight = compile(readable, { allErrors: false });
  // Most snapshots are right, so the code that lists all that is wrong is made when it is needed.
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

function compile(schema: AnySchemaObject, { allErrors }: { allErrors: boolean }): ValidateFunction {
  // Ajv keeps what it has compiled for as long as it lives, so each schema has its own.
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
    code: { regExp: Object.assign(linearPattern, { code: "linearPattern" }) },
  });
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword(uniqueItems);
  // Without it, what has been evaluated costs nothing.
  const tracks = (schema[COST] as Cost | undefined)?.tracks === true;
  ajv.opts.unevaluated = tracks;
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
    // Ajv says what is wrong with a schema by plain errors; any other is a fault of ours.
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
  // The exact ones of dates look at the calendar; of the others they take longer than their texts.
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
  throw new Error("a format is of a kind that is not known");
}

function refuse(why: string, cause?: unknown): Refusal {
  return new Refusal("invalid", `schema is not a JSON Schema (2020-12): ${why.slice(0, 200)}`, {
    field: "schema",
    cause,
  });
}
