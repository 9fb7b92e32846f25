import { _, type CodeKeywordDefinition, type KeywordCxt, Name } from "ajv";
import type { Ajv2020 } from "ajv/dist/2020.js";

/** Ajv's `Type.Num`: marks `dataProp` as an index. */
const AN_INDEX = 0;

/**
 * Replaces those keywords of Ajv (8.20) whose generated code throws or deviates from the specification.
 *
 * The generated code declares some variables at their first use. If that is in a branch or in a pass of a
 * loop that does not run, later code reads `undefined` or the value of an earlier item. This affects the
 * variables that hold what has been evaluated, which `unevaluatedProperties` and `unevaluatedItems` read:
 * here each schema declares them at its start (see `beginTracking`). It also affects `prefixItems` and
 * `contains`, which assign nothing if an array is too short. In addition:
 *
 * - `if` evaluates only when its condition holds, and also does so without `then` and `else`;
 * - `contains` evaluates the items that match; Ajv evaluates all or none;
 * - `unevaluatedItems` handles an alternative that has evaluated all items.
 */
export function mendKeywords(ajv: Ajv2020): void {
  change(ajv, "additionalProperties", ({ code }) => ({ code: evaluatesAll(code) }));
  change(ajv, "if", () => ({ code: codeOfIf }));
  change(ajv, "prefixItems", () => ({ code: codeOfPrefixItems }));
  change(ajv, "contains", () => ({ code: codeOfContains }));
  // Ajv runs keywords in the order they were added, and these two read what the others have evaluated.
  change(ajv, "unevaluatedProperties", ({ code }) => ({ code: evaluatesAll(code) }));
  change(ajv, "unevaluatedItems", () => ({
    error: { message: "must NOT have unevaluated items" },
    code: codeOfUnevaluatedItems,
  }));
}

/**
 * Declares the variables for what a schema has evaluated. Called before its first keyword, if any keyword of
 * the whole schema reads them.
 */
export function beginTracking({ gen, it }: KeywordCxt): void {
  // Names of properties or, for an array, indexes of matching items. Without a prototype, so that no name is
  // preset.
  it.props = gen.var("props", _`Object.create(null)`);
  // The number of first items that are evaluated, or true for all.
  it.items = gen.var("items", 0);
}

type Code = CodeKeywordDefinition["code"];

function change(
  ajv: Ajv2020,
  keyword: string,
  by: (definition: CodeKeywordDefinition) => Pick<CodeKeywordDefinition, "code" | "error">,
): void {
  const definition = ajv.getKeyword(keyword);
  if (typeof definition !== "object" || !("code" in definition)) {
    throw new Error(`Ajv generates no code for ${keyword}`);
  }
  ajv.removeKeyword(keyword);
  ajv.addKeyword({ ...definition, ...by(definition), keyword });
}

/**
 * Assigns `true` to the variable. Ajv replaces the variable by the constant `true`, which would also cover
 * arrays.
 */
function evaluatesAll(code: Code): Code {
  return (cxt) => {
    const props = propsOf(cxt);
    code(cxt);
    if (props === undefined) return;
    cxt.gen.assign(props, true);
    cxt.it.props = props;
  };
}

function codeOfIf(cxt: KeywordCxt): void {
  const { gen, parentSchema } = cxt;
  const has = (keyword: string) => parentSchema[keyword] !== undefined;
  if (propsOf(cxt) === undefined && !has("then") && !has("else")) return;
  const holds = gen.name("holds");
  const condition = cxt.subschema(
    { keyword: "if", compositeRule: true, createErrors: false, allErrors: false },
    holds,
  );
  cxt.reset();
  cxt.mergeValidEvaluated(condition, holds);
  const valid = gen.var("valid", true);
  const ifClause = gen.let("ifClause");
  cxt.setParams({ ifClause });
  const clause = (keyword: string) => () => {
    if (!has(keyword)) return;
    cxt.mergeValidEvaluated(cxt.subschema({ keyword }, valid), valid);
    gen.assign(ifClause, _`${keyword}`);
  };
  gen.if(holds, clause("then"), clause("else"));
  cxt.pass(valid, () => cxt.error(true));
}

function codeOfPrefixItems(cxt: KeywordCxt): void {
  const { gen, data, it } = cxt;
  const schemas = cxt.schema as readonly unknown[];
  if (it.items instanceof Name) cxt.mergeEvaluated({ ...it, props: {}, items: schemas.length });
  const valid = gen.var("valid", true);
  for (const [i, schema] of schemas.entries()) {
    if (schema === true) continue;
    gen.if(_`${data}.length > ${i}`, () =>
      cxt.subschema({ keyword: "prefixItems", schemaProp: i, dataProp: i }, valid),
    );
    cxt.ok(valid);
  }
}

function codeOfContains(cxt: KeywordCxt): void {
  const { gen, data, parentSchema } = cxt;
  const props = propsOf(cxt);
  const min = (parentSchema["minContains"] as number | undefined) ?? 1;
  const max = parentSchema["maxContains"] as number | undefined;
  const count = gen.let("count", 0);
  const fits = gen.name("fits");
  gen.forRange("i", 0, _`${data}.length`, (i) => {
    cxt.subschema({ keyword: "contains", dataProp: i, dataPropType: AN_INDEX, compositeRule: true }, fits);
    // Errors of the items that do not match are not errors of the array.
    cxt.reset();
    gen.if(fits, () => {
      gen.code(_`${count}++`);
      if (props !== undefined) gen.assign(_`${props}[${i}]`, true);
      else if (max === undefined) gen.if(_`${count} >= ${min}`, () => gen.break());
    });
  });
  cxt.setParams({ min, max });
  cxt.pass(max === undefined ? _`${count} >= ${min}` : _`${count} >= ${min} && ${count} <= ${max}`);
}

function codeOfUnevaluatedItems(cxt: KeywordCxt): void {
  const { gen, schema, data, it } = cxt;
  const { items = 0 } = it;
  if (items === true) return;
  const props = propsOf(cxt);
  const valid = gen.var("valid", true);
  const from = items instanceof Name ? _`${items} === true ? ${data}.length : ${items}` : items;
  gen.forRange("i", from, _`${data}.length`, (i) => {
    gen.if(_`!${props}[${i}]`, () => {
      if (schema === false) gen.assign(valid, false).break();
      else cxt.subschema({ keyword: "unevaluatedItems", dataProp: i, dataPropType: AN_INDEX }, valid);
      if (schema !== false && it.allErrors !== true) gen.if(_`!${valid}`, () => gen.break());
    });
  });
  if (schema === false) cxt.pass(valid);
  else cxt.ok(valid);
  it.items = true;
}

function propsOf({ it }: KeywordCxt): Name | undefined {
  return it.props instanceof Name ? it.props : undefined;
}
