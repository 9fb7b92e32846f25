import { expect, test } from "vitest";
import { spelledLatency } from "./latency.ts";

test("an estimate between the last bounds of the counters says only what is known", () => {
  expect(spelledLatency(184)).toBe("184 ms");
  expect(spelledLatency(15_000)).toBe("15 s");
  expect(spelledLatency(29_250)).toBe("over 15 s");
});
