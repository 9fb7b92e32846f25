import { expect, test } from "vitest";
import { namesByLength, nearestNames } from "./nearest-names.ts";

test("an unknown name is compared with a hundred others, first with those that are about as long", () => {
  const near = "invoice_sent";
  const others = (count: number, chars: number) =>
    Array.from({ length: count }, (_, n) => `parcel_${n}`.padEnd(chars, "_"));
  const suggested = (known: readonly string[]) => nearestNames("invoice_snet", namesByLength(known));
  expect(suggested([...others(99, 12), near])).toEqual([near]);
  expect(suggested([...others(100, 12), near])).toEqual([]);
  expect(suggested([...others(5_000, 13), ...others(5_000, 11), near])).toEqual([near]);
  // So long or so short that they cannot be meant.
  expect(suggested([...others(5_000, 17), ...Array<string>(5_000).fill("sent"), near])).toEqual([near]);
});

test("an unknown name makes nobody look at more known ones than it is compared with", () => {
  let looks = 0;
  const names = new Set(Array.from({ length: 5_000 }, (_, n) => `parcel_${n}`.padEnd(12, "_")));
  names[Symbol.iterator] = function* () {
    for (const name of this.keys()) {
      looks += 1;
      yield name;
    }
    return undefined;
  };
  expect(nearestNames("invoice_snet", new Map([[12, names]]))).toEqual([]);
  expect(looks).toBe(100);
});
