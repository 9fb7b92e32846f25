import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { headerPairs } from "./header-pairs.ts";

test("any headers become pairs, with every byte of each value", () => {
  const raw = fc.array(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(raw, (list) => {
      const pairs = headerPairs(list);
      expect(pairs).toHaveLength(Math.floor(list.length / 2));
      for (const [i, [name, value]] of pairs.entries()) {
        expect(name).toBe(name.toLowerCase());
        expect(Buffer.from(value, "latin1").equals(list[2 * i + 1] ?? Buffer.alloc(0))).toBe(true);
        // The pairs are stored as JSON and must survive the round trip.
        expect(JSON.parse(JSON.stringify([name, value]))).toEqual([name, value]);
      }
    }),
    fuzzing(),
  );
});
