import { beforeEach, expect, test } from "vitest";
import { createSetAside } from "./set-aside.ts";

class Unavailable extends Error {}

let now: number;
let reports: { key: string; failures: number; forMs: number }[];
let setAside: ReturnType<typeof createSetAside>;
beforeEach(() => {
  now = 1_000;
  reports = [];
  setAside = createSetAside({
    now: () => now,
    isEverybodys: async (error) => error instanceof Unavailable,
    onSetAside: (key, _error, { failures, untilMs }) => reports.push({ key, failures, forMs: untilMs - now }),
  });
});

const fails = () => Promise.reject(new Error("poison"));

test("work that throws is set aside, and other work still runs", async () => {
  expect(await setAside("a", fails)).toBeUndefined();
  expect(await setAside("a", async () => "done")).toBeUndefined();
  expect(await setAside("b", async () => "done")).toBe("done");
  now += 1_000;
  expect(await setAside("a", async () => "done")).toBe("done");
  expect(reports).toEqual([{ key: "a", failures: 1, forMs: 1_000 }]);
});

test("the time set aside doubles with each failure, up to five minutes, until a success", async () => {
  for (let n = 0; n < 12; n++) {
    await setAside("a", fails);
    now += reports.at(-1)?.forMs ?? 0;
  }
  expect(reports.map(({ forMs }) => forMs / 1_000)).toEqual([
    1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300,
  ]);
  await setAside("a", async () => "done");
  await setAside("a", fails);
  expect(reports.at(-1)).toEqual({ key: "a", failures: 1, forMs: 1_000 });
});

test("an error that would hit any work is rethrown, and nothing is set aside", async () => {
  await expect(setAside("a", () => Promise.reject(new Unavailable()))).rejects.toThrow(Unavailable);
  expect(reports).toEqual([]);
  expect(await setAside("a", async () => "done")).toBe("done");
});

test("beyond the bound the oldest key is forgotten, so its work is tried again sooner", async () => {
  for (let n = 0; n <= 10_000; n++) await setAside(`${n}`, fails);
  expect(await setAside("0", async () => "tried")).toBe("tried");
  expect(await setAside("2", async () => "tried")).toBeUndefined();
});
