/** A JSON Schema (2020-12), or a part of one. */
export type JsonSchema = boolean | Readonly<Record<string, unknown>>;

/** One of the alternatives that a schema allows, with all references and combinations resolved. */
export type Alternative = {
  /** The allowed types. Undefined: any type. */
  readonly types: ReadonlySet<string> | undefined;
  /** The allowed values, by their {@link spelled} form. Undefined: any value. */
  readonly values: ReadonlyMap<string, unknown> | undefined;
  readonly properties: ReadonlyMap<string, JsonSchema>;
  readonly required: ReadonlySet<string>;
  /** The schema of all properties that are not in `properties`. */
  readonly additional: JsonSchema;
  /** The schemas of a list's first items. */
  readonly prefix: readonly JsonSchema[];
  /** The schema of a list's items after `prefix`. */
  readonly items: JsonSchema;
};

/** Alternatives of one schema, at most. Combinations multiply them; real schemas have fewer than ten. */
const ALTERNATIVES_MAX = 64;
/** The deepest nesting of references and combinations. A schema that nests deeper refers to itself. */
const NESTING_MAX = 32;

/** Characters of a text per step. */
export const CHARS_A_STEP = 64;

const ANYTHING: Alternative = {
  types: undefined,
  values: undefined,
  properties: new Map(),
  required: new Set(),
  additional: true,
  prefix: [],
  items: true,
};

/** The context in which a schema is expanded. */
export type Expansion = {
  /** The document that references point into. */
  readonly root: JsonSchema;
  /** Counts steps, and throws when there are too many. */
  readonly spend: (steps: number) => void;
};

/**
 * Expands a schema into its alternatives.
 *
 * @returns an empty list if no value can match; undefined if there are too many alternatives or a reference
 *   does not resolve
 */
export function alternativesOf(
  schema: JsonSchema,
  expansion: Expansion,
  depth = 0,
): Alternative[] | undefined {
  expansion.spend(1);
  if (schema === true) return [ANYTHING];
  if (schema === false) return [];
  if (depth > NESTING_MAX) return undefined;
  let alternatives = [plain(schema, expansion.spend)];
  for (const choices of combinationsIn(schema, expansion)) {
    const chosen: Alternative[] = [];
    for (const choice of choices) {
      const expanded = choice === undefined ? undefined : alternativesOf(choice, expansion, depth + 1);
      if (expanded === undefined) return undefined;
      if (alternatives.length * (chosen.length + expanded.length) > ALTERNATIVES_MAX) return undefined;
      chosen.push(...expanded);
    }
    alternatives = alternatives.flatMap((alternative) =>
      chosen.map((choice) => {
        expansion.spend(sizeOf(alternative) + sizeOf(choice));
        return both(alternative, choice);
      }),
    );
  }
  return alternatives.filter(({ types, values }) => types?.size !== 0 && values?.size !== 0);
}

/**
 * Returns lists of schemas: a value must match one schema of every list. Undefined stands for a reference
 * that does not resolve.
 */
function combinationsIn(
  schema: Readonly<Record<string, unknown>>,
  expansion: Expansion,
): (readonly (JsonSchema | undefined)[])[] {
  return [
    ...schemasIn(schema, "allOf").map((part) => [part]),
    ...("$ref" in schema ? [[targetOf(schema["$ref"], expansion)]] : []),
    ...["anyOf", "oneOf"].flatMap((keyword) => (keyword in schema ? [schemasIn(schema, keyword)] : [])),
  ];
}

/** Returns what an alternative costs to look through, in steps. */
export function sizeOf({ types, values, properties, required, prefix }: Alternative): number {
  return 1 + (types?.size ?? 0) + (values?.size ?? 0) + properties.size + required.size + prefix.length;
}

/** Splits an alternative into one alternative per type. */
export function splitByType(alternative: Alternative, spend: Expansion["spend"]): Alternative[] {
  const { types, values } = alternative;
  if (types === undefined || types.size < 2) return [alternative];
  spend(types.size * sizeOf(alternative));
  return [...types].map((type) => ({
    ...alternative,
    types: new Set([type]),
    values: values && new Map([...values].filter(([, value]) => isWithin(typeOf(value), new Set([type])))),
  }));
}

/** Returns whether every value of the type also has one of the types. */
export function isWithin(type: string, types: ReadonlySet<string>): boolean {
  return types.has(type) || (type === "integer" && types.has("number"));
}

/** Returns a JSON value as text. Equal values give equal texts, whatever the order of their members. */
export function spelled(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spelled).join()}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${spelled(member)}`).join()}}`;
}

function plain(schema: Readonly<Record<string, unknown>>, spend: Expansion["spend"]): Alternative {
  const values = "const" in schema ? [schema["const"]] : listIn(schema, "enum");
  const properties = new Map(Object.entries((schema["properties"] ?? {}) as Record<string, JsonSchema>));
  const required = listIn(schema, "required") as string[] | undefined;
  const prefix = schemasIn(schema, "prefixItems");
  spend(properties.size + (values?.length ?? 0) + (required?.length ?? 0) + prefix.length);
  const types = typeof schema["type"] === "string" ? [schema["type"]] : listIn(schema, "type");
  return {
    types: typesOf(types, values),
    values: values && new Map(values.map((value) => [spelled(value), value])),
    properties,
    required: new Set(required),
    additional: (schema["additionalProperties"] ?? true) as JsonSchema,
    prefix,
    items: (schema["items"] ?? true) as JsonSchema,
  };
}

/** Returns the types of an alternative. If the schema names no types, they follow from its values. */
function typesOf(
  types: readonly unknown[] | undefined,
  values: readonly unknown[] | undefined,
): ReadonlySet<string> | undefined {
  if (types !== undefined) return new Set(types as string[]);
  return values === undefined ? undefined : new Set(values.map(typeOf));
}

/** Returns the alternative that a value matches if it matches both. */
function both(a: Alternative, b: Alternative): Alternative {
  const properties = new Map(a.properties);
  for (const [name, schema] of b.properties)
    properties.set(name, bothSchemas(a.properties.get(name), schema));
  const prefix = Array.from({ length: Math.max(a.prefix.length, b.prefix.length) }, (_item, i) =>
    bothSchemas(a.prefix[i] ?? a.items, b.prefix[i] ?? b.items),
  );
  return {
    types: bothTypes(a.types, b.types),
    values: bothValues(a.values, b.values),
    properties,
    required: new Set([...a.required, ...b.required]),
    additional: bothSchemas(a.additional, b.additional),
    prefix,
    items: bothSchemas(a.items, b.items),
  };
}

function bothSchemas(a: JsonSchema | undefined, b: JsonSchema): JsonSchema {
  if (a === undefined || a === true) return b;
  return b === true ? a : { allOf: [a, b] };
}

function bothTypes(
  a: ReadonlySet<string> | undefined,
  b: ReadonlySet<string> | undefined,
): ReadonlySet<string> | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return new Set([
    ...[...a].filter((type) => isWithin(type, b)),
    ...[...b].filter((type) => isWithin(type, a)),
  ]);
}

function bothValues(a: Alternative["values"], b: Alternative["values"]): Alternative["values"] {
  if (a === undefined || b === undefined) return a ?? b;
  return new Map([...a].filter(([key]) => b.has(key)));
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** Resolves a reference into the same document; undefined if it leads nowhere. */
function targetOf(reference: unknown, { root, spend }: Expansion): JsonSchema | undefined {
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) return undefined;
  spend(Math.ceil(reference.length / CHARS_A_STEP));
  let at: unknown = root;
  for (const step of reference.split("/").slice(1)) {
    if (typeof at !== "object" || at === null) return undefined;
    const name = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    at = Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined;
  }
  return typeof at === "boolean" || (typeof at === "object" && at !== null) ? (at as JsonSchema) : undefined;
}

function schemasIn(schema: Readonly<Record<string, unknown>>, keyword: string): JsonSchema[] {
  return (listIn(schema, keyword) ?? []) as JsonSchema[];
}

function listIn(schema: Readonly<Record<string, unknown>>, keyword: string): readonly unknown[] | undefined {
  const value = schema[keyword];
  return Array.isArray(value) ? value : undefined;
}
