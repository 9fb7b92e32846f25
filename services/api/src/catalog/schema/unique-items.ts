import type { FuncKeywordDefinition, SchemaValidateFunction } from "ajv";
import { charge } from "./work.ts";

/** Characters of a text that cost as much as one step. */
const CHARS_A_STEP = 16;

/** Whether no item comes twice. Ajv's own compares each with each, which takes hours for a snapshot of numbers. */
const areUnique: SchemaValidateFunction = (wanted: boolean, items: readonly unknown[]) => {
  if (!wanted) return true;
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const spelled = spell(item);
    const before = seen.get(spelled);
    if (before !== undefined) {
      areUnique.errors = [
        {
          keyword: "uniqueItems",
          message: `must NOT have duplicate items (${before} and ${i} are the same)`,
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

/** The same for equal values. */
function spell(value: unknown): string {
  charge(1);
  if (Array.isArray(value)) return `[${value.map(spell).join()}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${spell(member)}`).join()}}`;
  }
  if (typeof value === "string") charge(Math.floor(value.length / CHARS_A_STEP));
  // JSON has no word for what is beyond the doubles.
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}
