import type { JsonValue } from "@bufbuild/protobuf";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/**
 * The dialects that a schema may name. Those before 2020-12 are read as 2020-12: what is written differently
 * there is refused with what to write instead.
 */
export const DIALECTS: ReadonlySet<JsonValue> = new Set(
  [
    DIALECT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft-07/schema",
  ].flatMap((dialect) => [dialect, `${dialect}#`]),
);

/** Notes of OpenAPI's schemas, which describe and check nothing. */
export const OPENAPI_NOTES = ["example", "externalDocs", "xml"] as const;

const REFERENCE = "write $ref with the path of a schema inside this one, such as #/$defs/address";

/** What to write instead of keywords of OpenAPI 3.0 and of earlier drafts of JSON Schema. */
const INSTEAD: Readonly<Record<string, string>> = {
  nullable: 'write the types as a list, such as type: ["string", "null"]',
  discriminator: "write oneOf, with a const in each alternative",
  dependencies: "write dependentRequired for names, and dependentSchemas for schemas",
  additionalItems: "write the first items as prefixItems, and those after them as items",
  id: "write $id, at the top",
  $anchor: REFERENCE,
  $dynamicAnchor: REFERENCE,
  $dynamicRef: REFERENCE,
  $recursiveAnchor: REFERENCE,
  $recursiveRef: REFERENCE,
};

/**
 * Returns what to write instead of a keyword, or of a value that a keyword held in earlier drafts; undefined
 * if it is no form of these.
 */
export function insteadOf(keyword: string, held: JsonValue): string | undefined {
  if (keyword === "items" && Array.isArray(held)) {
    return "write a list of schemas as prefixItems; items is the schema of those after them";
  }
  if ((keyword === "exclusiveMinimum" || keyword === "exclusiveMaximum") && typeof held === "boolean") {
    const bound = keyword === "exclusiveMinimum" ? "minimum" : "maximum";
    return `write the number itself: ${keyword} instead of ${bound}`;
  }
  return Object.hasOwn(INSTEAD, keyword) ? INSTEAD[keyword] : undefined;
}

/** What {@link DIALECTS} has, for a refusal. */
export const DIALECTS_IN_WORDS = `${DIALECT}, or that of 2019-09 or draft-07`;
