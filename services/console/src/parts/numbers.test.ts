import { expect, test } from "vitest";
import { percent, sizeInWords, whole } from "./numbers.ts";

test("numbers are written in the console's language, whatever the browser's is", () => {
  expect(whole(1_234_567)).toBe("1,234,567");
  expect(whole(12n)).toBe("12");
  expect(percent(0.985)).toBe("98.5%");
});

test("100% means all, and 0% means none", () => {
  expect(percent(1)).toBe("100%");
  expect(percent(9_999 / 10_000)).toBe("99.9%");
  expect(percent(0)).toBe("0%");
  expect(percent(1 / 10_000)).toBe("under 0.1%");
});

test("sizes are in bytes, KiB and MiB", () => {
  expect([1, 1_023, 1_536, 1_048_576].map(sizeInWords)).toEqual([
    "1 byte",
    "1,023 bytes",
    "1.5 KiB",
    "1 MiB",
  ]);
});
