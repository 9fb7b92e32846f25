import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Refusal } from "@posthaste/domain";
import { linearPattern } from "./linear-pattern.ts";
import { DIALECTS, DIALECTS_IN_WORDS, insteadOf, OPENAPI_NOTES } from "./older-forms.ts";

/** The largest schema, in bytes of JSON. Schemas written by people have under 10 KiB. */
export const SCHEMA_BYTES_MAX = 65_536;
/**
 * Maximum schemas inside a schema, itself included; each property has one. Each becomes code, and a thread
 * compiles this many for up to half a second. Schemas written by people have under 100.
 */
const SUBSCHEMAS_MAX = 500;
/** Maximum schemas in one `anyOf` or `oneOf`: their code nests, and compiling it takes quadratic time. */
const ALTERNATIVES_MAX = 100;

/** The keyword that holds a schema's own steps, without those of its parts. Ajv runs it before all others. */
export const COST = "posthaste:cost";
export type Cost = {
  readonly steps: number;
  /** Steps for each property of an object. */
  readonly perProperty: number;
  /** Steps for each item of an array. */
  readonly perItem: number;
  /** Steps for an object, if `perProperty` is not 0. */
  readonly perObject: number;
  /** Whether evaluated properties and items must be tracked. Equal in all parts of a schema. */
  readonly tracks: boolean;
};

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The supported formats; each takes time in proportion to its text. */
export const FORMATS = [
  "date",
  "time",
  "date-time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uuid",
] as const;

/**
 * The kind of value each keyword holds. An unknown keyword is refused, so that no check is silently skipped.
 */
const KEYWORDS: ReadonlyMap<string, "value" | "note" | "schema" | "list" | "map"> = new Map([
  ...["$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"].map(
    (keyword) => [keyword, "note"] as const,
  ),
  ...OPENAPI_NOTES.map((keyword) => [keyword, "note"] as const),
  ...["contentEncoding", "contentMediaType", "contentSchema"].map((keyword) => [keyword, "note"] as const),
  ...["type", "enum", "const", "$ref", "pattern", "format", "required", "dependentRequired"].map(
    (keyword) => [keyword, "value"] as const,
  ),
  ...["multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"].map(
    (keyword) => [keyword, "value"] as const,
  ),
  ...["maxLength", "minLength", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains"].map(
    (keyword) => [keyword, "value"] as const,
  ),
  ...["maxProperties", "minProperties"].map((keyword) => [keyword, "value"] as const),
  ...["items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"].map(
    (keyword) => [keyword, "schema"] as const,
  ),
  ...["unevaluatedItems", "unevaluatedProperties"].map((keyword) => [keyword, "schema"] as const),
  ...["allOf", "anyOf", "oneOf", "prefixItems"].map((keyword) => [keyword, "list"] as const),
  ...["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"].map(
    (keyword) => [keyword, "map"] as const,
  ),
]);
const LOOPING = [
  "additionalProperties",
  "patternProperties",
  "propertyNames",
  "unevaluatedProperties",
  "maxProperties",
  "minProperties",
];

/**
 * Turns an untrusted schema into one that Ajv may compile: with known keywords, references into itself and
 * patterns of linear time only, and with the cost of each part written into it.
 *
 * @param schema must be well-formed and not deeply nested
 * @throws Refusal `invalid`, field `schema`
 */
export function readSchema(schema: JsonObject): JsonObject {
  const reading: Reading = {
    places: new Set(),
    references: [],
    names: 0,
    priced: [],
    tracks: false,
    contains: false,
  };
  const readable = read(reading, schema, "");
  for (const { from, to } of reading.references) {
    if (!reading.places.has(to))
      throw refuse(`points to ${to.slice(0, 80) || "#"}, which is not a schema`, from);
  }
  if (reading.tracks) {
    // Each schema copies what it has evaluated into the schema around it: names, matches of patterns,
    // indexes.
    for (const cost of reading.priced) {
      cost.tracks = true;
      cost.perProperty += 1;
      cost.perItem = reading.contains ? 1 : 0;
      cost.perObject = reading.names;
    }
  }
  return readable as JsonObject;
}

/** What is known of a schema while it is read. */
type Reading = {
  /** The path of every schema inside it. */
  readonly places: Set<string>;
  readonly references: { readonly from: string; readonly to: string }[];
  /** Names of properties and patterns, over all schemas. */
  names: number;
  readonly priced: Writable<Cost>[];
  /** Some schema asks what others have evaluated. */
  tracks: boolean;
  contains: boolean;
};

function read(reading: Reading, value: JsonValue, path: string): JsonValue {
  reading.places.add(path);
  if (reading.places.size > SUBSCHEMAS_MAX) throw refuse(`has more than ${SUBSCHEMAS_MAX} schemas inside it`);
  if (typeof value === "boolean") return value;
  if (!isObject(value)) throw refuse(`must be a schema: an object, true or false`, path);
  const result: JsonObject = {};
  const perProperty = LOOPING.some((keyword) => keyword in value) ? 1 : 0;
  const cost = { steps: 1, perProperty, perItem: 0, perObject: 0, tracks: false };
  for (const [keyword, held] of Object.entries(value)) {
    if (isLeftOut(keyword, held, path)) continue;
    const at = `${path}/${escaped(keyword)}`;
    const instead = insteadOf(keyword, held);
    if (instead !== undefined) throw refuse(`is not of JSON Schema 2020-12: ${instead}`, at);
    switch (KEYWORDS.get(keyword)) {
      case "note":
        break;
      case "value":
        cost.steps += sizeOf(held);
        result[keyword] = keyword === "$ref" ? reference(reading, held, at) : checkedValue(keyword, held, at);
        break;
      case "schema":
        result[keyword] = read(reading, held, at);
        break;
      case "list":
        if (!Array.isArray(held)) throw refuse("must be a list of schemas", at);
        if (keyword.endsWith("Of") && keyword !== "allOf" && held.length > ALTERNATIVES_MAX) {
          throw refuse(`has more than ${ALTERNATIVES_MAX} alternatives; use an enum or fewer`, at);
        }
        cost.steps += held.length;
        result[keyword] = held.map((item, i) => read(reading, item, `${at}/${i}`));
        break;
      case "map":
        result[keyword] = readMap(reading, { keyword, held, at }, cost);
        break;
      default:
        throw refuse(`is not a supported keyword; remove it, or rename it to x-…`, at);
    }
  }
  if (Object.keys(result).length === 0) return result;
  reading.priced.push(cost);
  reading.tracks ||= "unevaluatedProperties" in result || "unevaluatedItems" in result;
  reading.contains ||= "contains" in result;
  return { [COST]: cost, ...result };
}

function readMap(
  reading: Reading,
  { keyword, held, at }: { keyword: string; held: JsonValue; at: string },
  cost: { steps: number },
): JsonObject {
  if (!isObject(held)) throw refuse("must be an object of schemas", at);
  const entries = Object.entries(held).map(([name, item]) => {
    const itemPath = `${at}/${escaped(name)}`;
    // In JavaScript, this name would set the object's prototype.
    if (name === "__proto__") throw refuse("is not a supported name", itemPath);
    if (keyword === "patternProperties") linearPattern(name);
    return [name, read(reading, item, itemPath)] as const;
  });
  if (!keyword.startsWith("d") && keyword !== "$defs") reading.names += entries.length;
  if (keyword !== "$defs" && keyword !== "definitions") cost.steps += entries.length;
  return Object.fromEntries(entries);
}

function reference(reading: Reading, held: JsonValue, at: string): string {
  const to = typeof held === "string" ? pointerOf(held) : undefined;
  if (to === undefined) throw refuse("must point into the same schema, such as #/$defs/address", at);
  reading.references.push({ from: at, to });
  return `#${to.split("/").map(encodeURIComponent).join("/")}`;
}

/** Tells whether a keyword only describes the schema, so that no check needs it. */
function isLeftOut(keyword: string, held: JsonValue, path: string): boolean {
  if (keyword.startsWith("x-")) return true;
  if (path !== "" || (keyword !== "$schema" && keyword !== "$id")) return false;
  if (keyword === "$schema" && !DIALECTS.has(held)) throw refuse(`must be ${DIALECTS_IN_WORDS}`, "/$schema");
  return true;
}

function checkedValue(keyword: string, held: JsonValue, at: string): JsonValue {
  if (keyword === "pattern" && typeof held === "string") linearPattern(held);
  if (keyword === "format" && !FORMATS.some((format) => format === held)) {
    throw refuse(`must be one of ${FORMATS.join(", ")}; put others into the description`, at);
  }
  return held;
}

/** Returns the JSON Pointer of a reference into the same document; undefined for any other reference. */
function pointerOf(reference: string): string | undefined {
  if (reference === "#") return "";
  if (!reference.startsWith("#/")) return undefined;
  try {
    return decodeURIComponent(reference.slice(1));
  } catch {
    return undefined;
  }
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Counts the values inside a value, itself included. */
function sizeOf(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((size, item) => size + sizeOf(item), 1);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(what: string, path = ""): Refusal {
  const place = path === "" ? "schema" : `schema: ${path.slice(0, 120)}`;
  return new Refusal("invalid", `${place} ${what}`, { reason: "SCHEMA_INVALID", field: "schema" });
}
