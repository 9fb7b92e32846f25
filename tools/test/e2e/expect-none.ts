import { expect } from "vitest";

/** Fails with all that was found in its message; an assertion on the list itself shows only `Array(1)`. */
export function expectNone(found: readonly string[]): void {
  expect(found, found.join("\n")).toEqual([]);
}
