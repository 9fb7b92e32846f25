import { isDeepStrictEqual } from "node:util";

type Schema = boolean | { readonly [keyword: string]: unknown };
type Fields = { readonly [name: string]: unknown };

/**
 * The names of properties and the indexes of items that a schema has evaluated; undefined if it does not
 * match.
 */
type Evaluated = ReadonlySet<string> | undefined;

/**
 * Tells whether a value matches a schema. Follows the specification (2020-12) literally and slowly, without a
 * compiler, as a reference for other implementations. Supports the keywords that the property tests use, and
 * throws for any other.
 *
 * @param root a valid schema; its references point into itself and are not circular
 */
export function fitsByTheBook(root: Schema, value: unknown): boolean {
  return evaluate(root, value, root) !== undefined;
}

function evaluate(schema: Schema, value: unknown, root: Schema): Evaluated {
  if (typeof schema === "boolean") return schema ? new Set() : undefined;
  const seen = new Set<string>();
  // The two unevaluated keywords come last: they read what all others have evaluated.
  const keywords = Object.keys(schema).sort((a, b) => rank(a) - rank(b));
  for (const keyword of keywords) {
    const rule = Object.hasOwn(RULES, keyword) ? RULES[keyword] : undefined;
    if (rule === undefined) throw new Error(`the keyword ${keyword} is not supported here`);
    const found = rule({
      operand: schema[keyword],
      schema,
      value,
      seen,
      apply: (s, v) => evaluate(s, v, root),
      root,
    });
    if (found === undefined) return undefined;
    if (found !== true) for (const name of found) seen.add(name);
  }
  return seen;
}

function rank(keyword: string): number {
  return keyword.startsWith("unevaluated") ? 1 : 0;
}

type Context = {
  /** The keyword's value in the schema. */
  readonly operand: unknown;
  readonly schema: Exclude<Schema, boolean>;
  readonly value: unknown;
  /** What the earlier keywords have evaluated. */
  readonly seen: ReadonlySet<string>;
  readonly apply: (schema: Schema, value: unknown) => Evaluated;
  readonly root: Schema;
};
/** `true` if the value matches and the keyword evaluates nothing. */
type Rule = (context: Context) => Evaluated | true;

const check = (fits: boolean): true | undefined => (fits ? true : undefined);
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const characters = (text: string) => [...text].length;

const RULES: { readonly [keyword: string]: Rule | undefined } = {
  // Other keywords read these.
  ...Object.fromEntries(
    ["$defs", "then", "else", "minContains", "maxContains"].map((name) => [name, () => true]),
  ),
  type: ({ operand, value }) => check([operand].flat().some((type) => isOfType(value, type as string))),
  const: ({ operand, value }) => check(isDeepStrictEqual(operand, value)),
  enum: ({ operand, value }) => check((operand as unknown[]).some((one) => isDeepStrictEqual(one, value))),
  minimum: ({ operand, value }) => check(typeof value !== "number" || value >= (operand as number)),
  minLength: ({ operand, value }) =>
    check(typeof value !== "string" || characters(value) >= (operand as number)),
  maxLength: ({ operand, value }) =>
    check(typeof value !== "string" || characters(value) <= (operand as number)),
  pattern: ({ operand, value }) =>
    check(typeof value !== "string" || new RegExp(operand as string, "u").test(value)),
  required: ({ operand, value }) =>
    check(!isFields(value) || (operand as string[]).every((name) => Object.hasOwn(value, name))),
  minProperties: ({ operand, value }) =>
    check(!isFields(value) || Object.keys(value).length >= (operand as number)),
  uniqueItems: ({ operand, value }) =>
    check(
      operand !== true ||
        !Array.isArray(value) ||
        value.every((item, i) => value.slice(0, i).every((before) => !isDeepStrictEqual(before, item))),
    ),
  propertyNames: ({ operand, value, apply }) =>
    check(
      !isFields(value) || Object.keys(value).every((name) => apply(operand as Schema, name) !== undefined),
    ),

  properties: ({ operand, value, apply }) =>
    eachField(value, apply, (name) =>
      Object.hasOwn(operand as Fields, name) ? [(operand as Fields)[name]] : [],
    ),
  patternProperties: ({ operand, value, apply }) =>
    eachField(value, apply, (name) =>
      Object.entries(operand as Fields).flatMap(([pattern, schema]) =>
        new RegExp(pattern, "u").test(name) ? [schema] : [],
      ),
    ),
  additionalProperties: ({ operand, schema, value, apply }) =>
    eachField(value, apply, (name) => {
      const patterns = Object.keys((schema["patternProperties"] ?? {}) as Fields);
      const named = Object.hasOwn((schema["properties"] ?? {}) as Fields, name);
      return named || patterns.some((pattern) => new RegExp(pattern, "u").test(name)) ? [] : [operand];
    }),
  unevaluatedProperties: ({ operand, value, seen, apply }) =>
    eachField(value, apply, (name) => (seen.has(name) ? [] : [operand])),

  prefixItems: ({ operand, value, apply }) =>
    eachItem(value, apply, (i) => (i < (operand as unknown[]).length ? [(operand as unknown[])[i]] : [])),
  items: ({ operand, schema, value, apply }) =>
    eachItem(value, apply, (i) => (i < ((schema["prefixItems"] ?? []) as unknown[]).length ? [] : [operand])),
  unevaluatedItems: ({ operand, value, seen, apply }) =>
    eachItem(value, apply, (i) => (seen.has(String(i)) ? [] : [operand])),
  contains: ({ operand, schema, value, apply }) => {
    if (!Array.isArray(value)) return true;
    const found = new Set<string>();
    for (const [i, item] of value.entries())
      if (apply(operand as Schema, item) !== undefined) found.add(String(i));
    const { minContains = 1, maxContains = Number.POSITIVE_INFINITY } = schema;
    return found.size >= Number(minContains) && found.size <= Number(maxContains) ? found : undefined;
  },

  $ref: ({ operand, value, apply, root }) => apply(schemaAt(root, operand as string), value),
  allOf: (context) => union(context, (fitting, all) => fitting === all),
  anyOf: (context) => union(context, (fitting) => fitting > 0),
  oneOf: (context) => union(context, (fitting) => fitting === 1),
  not: ({ operand, value, apply }) => check(apply(operand as Schema, value) === undefined),
  if: ({ operand, schema, value, apply }) => {
    const holds = apply(operand as Schema, value);
    const clause = apply((schema[holds === undefined ? "else" : "then"] ?? true) as Schema, value);
    return clause === undefined ? undefined : new Set([...(holds ?? []), ...clause]);
  },
  dependentSchemas: ({ operand, value, apply }) => {
    if (!isFields(value)) return true;
    const schemas = Object.entries(operand as Fields).filter(([name]) => Object.hasOwn(value, name));
    return merged(schemas.map(([, schema]) => apply(schema as Schema, value)));
  },
};

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isFields(value);
  return type === (value === null ? "null" : typeof value);
}

type Wanted = (name: string) => readonly unknown[];

function eachField(value: unknown, apply: Context["apply"], wanted: Wanted): Evaluated {
  return isFields(value) ? eachPart(Object.entries(value), apply, wanted) : new Set();
}

function eachItem(
  value: unknown,
  apply: Context["apply"],
  wanted: (i: number) => readonly unknown[],
): Evaluated {
  if (!Array.isArray(value)) return new Set();
  return eachPart(Object.entries(value), apply, (i) => wanted(Number(i)));
}

/** Returns the parts for which there is a schema, if they all match. */
function eachPart(
  parts: readonly (readonly [string, unknown])[],
  apply: Context["apply"],
  wanted: Wanted,
): Evaluated {
  const seen = new Set<string>();
  for (const [name, part] of parts) {
    for (const schema of wanted(name)) {
      if (apply(schema as Schema, part) === undefined) return undefined;
      seen.add(name);
    }
  }
  return seen;
}

function union(
  { operand, value, apply }: Context,
  fits: (fitting: number, all: number) => boolean,
): Evaluated {
  const found = (operand as Schema[]).map((schema) => apply(schema, value));
  const fitting = found.filter((one) => one !== undefined);
  return fits(fitting.length, found.length) ? merged(fitting) : undefined;
}

function merged(all: readonly Evaluated[]): Evaluated {
  const seen = new Set<string>();
  for (const one of all) {
    if (one === undefined) return undefined;
    for (const name of one) seen.add(name);
  }
  return seen;
}

function schemaAt(root: Schema, reference: string): Schema {
  return reference
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, part) => (at as Fields)[part], root) as Schema;
}
