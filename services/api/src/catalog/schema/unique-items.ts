import type { FuncKeywordDefinition, SchemaValidateFunction } from "ajv";
import { spell } from "./exact-numbers.ts";

/**
 * Checks `uniqueItems` in linear time. Ajv compares all pairs, which takes hours for a snapshot full of
 * numbers.
 */
const areUnique: SchemaValidateFunction = (wanted: boolean, items: readonly unknown[]) => {
  if (!wanted) return true;
  const seen = new Map<string, number>();
  for (const [i, item] of items.entries()) {
    const spelled = spell(item, { parentData: items, parentDataProperty: i });
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
