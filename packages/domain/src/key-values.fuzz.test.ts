import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesKey } from "./event-key.ts";
import { readKeyValues } from "./key-values.ts";

const name = fc.constantFrom("a", "b", "ab", "", "a/b", "m~n", "0", "1", 'q"', "é", "\\");
const scalar = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constant(null),
);
type Tree = string | number | bigint | boolean | null | Tree[] | { [name: string]: Tree };
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(name, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const snapshot = fc.dictionary(name, tree, { maxKeys: 5, noNullPrototype: true });
const space = fc.constantFrom("", " ", "\n\t ");

/** Spells a snapshot with white space and escapes. */
function spell(value: Tree, gap: string): string {
  if (Array.isArray(value))
    return `[${gap}${value.map((item) => spell(item, gap)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${quote(key)}${gap}:${gap}${spell(item, gap)}`,
    );
    return `{${gap}${members.join(`${gap},${gap}`)}${gap}}`;
  }
  if (typeof value === "string") return quote(value);
  return typeof value === "bigint" ? `${value}.10` : JSON.stringify(value);
}
const quote = (text: string) => JSON.stringify(text).replace("a", "\\u0061");

/** Returns every pointer into a value, with what it leads to. */
function pointersIn(value: Tree, at = ""): [pointer: string, value: Tree][] {
  const inside = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return inside.flatMap(([key, item]) => {
    const pointer = `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return [[pointer, item] as [string, Tree], ...pointersIn(item, pointer)];
  });
}

/** JSON has no infinite numbers. */
const isIndexed = (value: Tree) =>
  typeof value === "string"
    ? value !== "" && value.isWellFormed()
    : typeof value === "bigint" || Number.isFinite(value);

test("a value is read at exactly the keys at which an erasure would find it", () => {
  fc.assert(
    fc.property(snapshot, space, fc.array(fc.nat(), { maxLength: 8 }), (value, gap, picks) => {
      const json = spell(value, gap);
      const all = pointersIn(value);
      const picked = new Map(picks.map((pick) => all[pick % all.length] ?? ["/none", null]));
      const keys = [...picked.keys()].map((pointer) => ({ pointer, sensitive: false }));
      const values = readKeyValues(json, keys).map((found) => found.value);
      expect(values).toHaveLength([...picked.values()].filter(isIndexed).length);
      for (const found of values) {
        expect(keys.some(({ pointer }) => matchesKey(json, { pointer, value: found }))).toBe(true);
      }
    }),
    fuzzing(),
  );
});
