import { beforeEach, expect, test } from "vitest";
import { createSetAside } from "./set-aside.ts";

class Away extends Error {}

let now: number;
let told: { key: string; failures: number; forMs: number }[];
let setAside: ReturnType<typeof createSetAside>;
beforeEach(() => {
  now = 1_000;
  told = [];
  setAside = createSetAside({
    now: () => now,
    isEverybodys: async (error) => error instanceof Away,
    onSetAside: (key, _error, { failures, untilMs }) => told.push({ key, failures, forMs: untilMs - now }),
  });
});

const fails = () => Promise.reject(new Error("poison"));

test("work that throws is left alone for a while, and other work is not", async () => {
  expect(await setAside("a", fails)).toBeUndefined();
  expect(await setAside("a", async () => "done")).toBeUndefined();
  expect(await setAside("b", async () => "done")).toBe("done");
  now += 1_000;
  expect(await setAside("a", async () => "done")).toBe("done");
  expect(told).toEqual([{ key: "a", failures: 1, forMs: 1_000 }]);
});

test("patience doubles with each failure in a row, up to five minutes, and ends with a success", async () => {
  for (let n = 0; n < 12; n++) {
    await setAside("a", fails);
    now += told.at(-1)?.forMs ?? 0;
  }
  expect(told.map(({ forMs }) => forMs / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  await setAside("a", async () => "done");
  await setAside("a", fails);
  expect(told.at(-1)).toEqual({ key: "a", failures: 1, forMs: 1_000 });
});

test("an error that is everybody's is thrown on, and nothing is set aside for it", async () => {
  await expect(setAside("a", () => Promise.reject(new Away()))).rejects.toThrow(Away);
  expect(told).toEqual([]);
  expect(await setAside("a", async () => "done")).toBe("done");
});

test("of more keys than are remembered the oldest is forgotten, and so tried again sooner", async () => {
  for (let n = 0; n <= 10_000; n++) await setAside(`${n}`, fails);
  expect(await setAside("0", async () => "tried")).toBe("tried");
  expect(await setAside("2", async () => "tried")).toBeUndefined();
});
