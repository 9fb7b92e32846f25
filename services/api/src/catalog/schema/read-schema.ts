import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { Refusal } from "@posthaste/domain";
import { linearPattern } from "./linear-pattern.ts";

/** The largest schema, in bytes as JSON. Those that people write have under 10 KiB. */
export const SCHEMA_BYTES_MAX = 65_536;
/**
 * Schemas inside a schema, itself included: each becomes code, and nobody else is served while it is compiled
 * (up to
 * 0.2 s for this many). Each property is one; those that people write have under 100.
 */
export const SUBSCHEMAS_MAX = 500;
/** Schemas in one `anyOf` or `oneOf`: the code for them nests, and compiling it takes quadratic time. */
const ALTERNATIVES_MAX = 100;

/** The steps that a schema costs, before what its parts do. Ajv calls it before every other keyword. */
export const COST = "posthaste:cost";
export type Cost = {
  readonly steps: number;
  /** Steps for each property of an object. */
  readonly perProperty: number;
  /** Steps for each item of an array. */
  readonly perItem: number;
  /** Steps for an object, if `perProperty` is not 0. */
  readonly perObject: number;
  /** Whether it must be known what has been evaluated. The same in all of a schema. */
  readonly tracks: boolean;
};

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
/** The formats that are checked; each in time that is in proportion to its text. */
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

/** What each keyword holds. One that is not here is refused, so that nothing is silently not checked. */
const KEYWORDS: ReadonlyMap<string, "value" | "note" | "schema" | "list" | "map"> = new Map([
  ...["$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"].map(
    (keyword) => [keyword, "note"] as const,
  ),
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
 * Makes a schema that Ajv may compile of one that anybody sent: with known keywords only, references into
 * itself only, patterns that take linear time, and the cost of each of its parts written into it.
 *
 * @param schema is known to be well-formed and not nested deeply
 * @throws Refusal `invalid`, field `schema`
 */
export function readSchema(schema: JsonObject): JsonObject {
  const places = new Set<string>();
  const references: { from: string; to: string }[] = [];
  let names = 0;
  const priced: Writable<Cost>[] = [];
  let tracks = false;
  let contains = false;

  const read = (value: JsonValue, path: string): JsonValue => {
    places.add(path);
    if (places.size > SUBSCHEMAS_MAX) throw refuse(`has more than ${SUBSCHEMAS_MAX} schemas inside it`);
    if (typeof value === "boolean") return value;
    if (!isObject(value)) throw refuse(`must be a schema: an object, true or false`, path);
    const made: JsonObject = {};
    const perProperty = LOOPING.some((keyword) => keyword in value) ? 1 : 0;
    const cost = { steps: 1, perProperty, perItem: 0, perObject: 0, tracks: false };
    for (const [keyword, held] of Object.entries(value)) {
      if (isLeftOut(keyword, held, path)) continue;
      const at = `${path}/${escaped(keyword)}`;
      switch (KEYWORDS.get(keyword)) {
        case "note":
          break;
        case "value":
          cost.steps += sizeOf(held);
          made[keyword] = keyword === "$ref" ? reference(held, at) : checkedValue(keyword, held, at);
          break;
        case "schema":
          made[keyword] = read(held, at);
          break;
        case "list":
          if (!Array.isArray(held)) throw refuse("must be a list of schemas", at);
          if (keyword.endsWith("Of") && keyword !== "allOf" && held.length > ALTERNATIVES_MAX) {
            throw refuse(`has more than ${ALTERNATIVES_MAX} alternatives; use an enum, or fewer`, at);
          }
          cost.steps += held.length;
          made[keyword] = held.map((item, i) => read(item, `${at}/${i}`));
          break;
        case "map":
          made[keyword] = readMap(keyword, held, at, cost);
          break;
        default:
          throw refuse(`is a keyword that is not supported; leave it out, or name it x-…`, at);
      }
    }
    if (Object.keys(made).length === 0) return made;
    priced.push(cost);
    tracks ||= "unevaluatedProperties" in made || "unevaluatedItems" in made;
    contains ||= "contains" in made;
    return { [COST]: cost, ...made };
  };
  const readMap = (keyword: string, held: JsonValue, at: string, cost: { steps: number }): JsonObject => {
    if (!isObject(held)) throw refuse("must be an object of schemas", at);
    const entries = Object.entries(held).map(([name, item]) => {
      const itself = `${at}/${escaped(name)}`;
      // JavaScript takes it for the object's prototype.
      if (name === "__proto__") throw refuse("is a name that is not supported", itself);
      if (keyword === "patternProperties") linearPattern(name);
      return [name, read(item, itself)] as const;
    });
    if (!keyword.startsWith("d") && keyword !== "$defs") names += entries.length;
    if (keyword !== "$defs" && keyword !== "definitions") cost.steps += entries.length;
    return Object.fromEntries(entries);
  };
  const reference = (held: JsonValue, at: string): string => {
    const to = typeof held === "string" ? pointerOf(held) : undefined;
    if (to === undefined) throw refuse("must point into the same schema, such as #/$defs/address", at);
    references.push({ from: at, to });
    return `#${to.split("/").map(encodeURIComponent).join("/")}`;
  };

  const made = read(schema, "");
  for (const { from, to } of references) {
    if (!places.has(to)) throw refuse(`points to ${to.slice(0, 80) || "#"}, where no schema is`, from);
  }
  if (tracks) {
    // What a schema has evaluated is copied into what the schema around it has: names, patterns' properties,
    // indexes.
    for (const cost of priced) {
      cost.tracks = true;
      cost.perProperty += 1;
      cost.perItem = contains ? 1 : 0;
      cost.perObject = names;
    }
  }
  return made as JsonObject;
}

/** Says who wrote a schema, or what for: nothing to check by. */
function isLeftOut(keyword: string, held: JsonValue, path: string): boolean {
  if (keyword.startsWith("x-")) return true;
  if (path !== "" || (keyword !== "$schema" && keyword !== "$id")) return false;
  if (keyword === "$schema" && held !== DIALECT && held !== `${DIALECT}#`) {
    throw refuse(`must be ${DIALECT}; other dialects are not supported`, "/$schema");
  }
  return true;
}

function checkedValue(keyword: string, held: JsonValue, at: string): JsonValue {
  if (keyword === "pattern" && typeof held === "string") linearPattern(held);
  if (keyword === "format" && !FORMATS.some((format) => format === held)) {
    throw refuse(`must be one of ${FORMATS.join(", ")}; describe others in words`, at);
  }
  return held;
}

/** The JSON Pointer of a reference into the same document; undefined: it is another kind of reference. */
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

/** How many values there are in a value, itself included. */
function sizeOf(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((size, item) => size + sizeOf(item), 1);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(what: string, path = ""): Refusal {
  const place = path === "" ? "schema" : `schema: ${path.slice(0, 120)}`;
  return new Refusal("invalid", `${place} ${what}`, { field: "schema" });
}
