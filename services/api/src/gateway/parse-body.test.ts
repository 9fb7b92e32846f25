import { expect, test } from "vitest";
import { fromForm } from "./parse-body.ts";

/** Returns the shortest of three times, in milliseconds. */
const leastOf = (compute: () => unknown) =>
  Math.min(
    ...Array.from({ length: 3 }, () => {
      const begunAt = performance.now();
      compute();
      return performance.now() - begunAt;
    }),
  );

test("a form of very many names is refused without reading them all", () => {
  const text = "a&".repeat(50_000);
  const refuse = () => expect(() => fromForm(Buffer.from(text))).toThrow("are more than 100 fields");
  expect(leastOf(refuse)).toBeLessThan(leastOf(() => new URLSearchParams(text)) / 4);
});
