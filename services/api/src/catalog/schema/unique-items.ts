import type { FuncKeywordDefinition, SchemaValidateFunction } from "ajv";
import { charge } from "./work.ts";

/** Characters of a text per step. */
const CHARS_A_STEP = 16;

/**
 * Checks `uniqueItems` in linear time. Ajv compares all pairs, which takes hours for a snapshot full of
 * numbers.
 */
const areUnique: SchemaValidateFunction = (wanted: boolean, items: readonly unknown[]) => {
  if (!wanted) return true;
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const spelled = spell(item);
    const first = seen.get(spelled);
    if (first !== undefined) {
      areUnique.errors = [
        {
          keyword: "uniqueItems",
          message: `must NOT have duplicate items (${first} and ${i} are the same)`,
        },
      ];
      return false;
    }
    seen.set(spelled, i);
  }
  return true;
};

export const uniqueItems: FuncKeywordDefinition = {
  keyword: "uniqueItems",
  type: "array",
  schemaType: "boolean",
  validate: areUnique,
};

/** Returns a text that is equal for equal values. */
function spell(value: unknown): string {
  charge(1);
  if (Array.isArray(value)) return `[${value.map(spell).join()}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${spell(member)}`).join()}}`;
  }
  if (typeof value === "string") charge(Math.floor(value.length / CHARS_A_STEP));
  // Not JSON.stringify, which writes an infinite number as null.
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}
