import { describe, expect, test } from "vitest";
import { DeadlinePassed } from "./deadlines.ts";
import { createPlaces } from "./places.ts";

const NEVER_MS = 1_000_000;

/** One place that is taken, and who has got it since. */
async function setup() {
  const places = createPlaces(1);
  await places.take({ withinMs: NEVER_MS, isFirst: false });
  const got: string[] = [];
  const take = (name: string, { withinMs = NEVER_MS, isFirst = false } = {}) =>
    places.take({ withinMs, isFirst }).then(() => void got.push(name));
  const give = async () => {
    places.give();
    await new Promise(setImmediate);
  };
  return { places, take, give, got };
}

describe("places", () => {
  test("are given in the order in which they were asked for, but for who goes first", async () => {
    const { take, give, got } = await setup();
    const all = [take("a"), take("b"), take("ping", { isFirst: true })];
    await give();
    expect(got).toEqual(["ping"]);
    await give();
    await give();
    await Promise.all(all);
    expect(got).toEqual(["ping", "a", "b"]);
  });

  test("go past who gave up waiting", async () => {
    const { take, give, got } = await setup();
    const late = take("late", { withinMs: 1 });
    const next = take("next");
    await expect(late).rejects.toThrow(DeadlinePassed);
    await give();
    await next;
    expect(got).toEqual(["next"]);
  });

  test("that nobody waits for are kept for who comes", async () => {
    const { take, give, got } = await setup();
    await give();
    await take("a");
    const waits = take("b");
    await new Promise(setImmediate);
    expect(got).toEqual(["a"]);
    await give();
    await waits;
  });

  test("are refused to all once they are closed", async () => {
    const { places, take } = await setup();
    const waits = take("a");
    places.close(new Error("closed"));
    await expect(waits).rejects.toThrow("closed");
    await expect(take("b")).rejects.toThrow("closed");
  });
});
