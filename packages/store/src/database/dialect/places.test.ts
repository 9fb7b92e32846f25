import { describe, expect, test } from "vitest";
import { DeadlinePassed } from "./deadlines.ts";
import { createPlaces } from "./places.ts";

const NEVER_MS = 1_000_000;

/** A single place that is taken, and the names of the callers that got it afterwards. */
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
  test("are given in the order of the requests, except to a caller that goes first", async () => {
    const { take, give, got } = await setup();
    const all = [take("a"), take("b"), take("ping", { isFirst: true })];
    await give();
    expect(got).toEqual(["ping"]);
    await give();
    await give();
    await Promise.all(all);
    expect(got).toEqual(["ping", "a", "b"]);
  });

  test("skip a caller that gave up waiting", async () => {
    const { take, give, got } = await setup();
    const late = take("late", { withinMs: 1 });
    const next = take("next");
    await expect(late).rejects.toThrow(DeadlinePassed);
    await give();
    await next;
    expect(got).toEqual(["next"]);
  });

  test("that nobody waits for are free for the next caller", async () => {
    const { take, give, got } = await setup();
    await give();
    await take("a");
    const waits = take("b");
    await new Promise(setImmediate);
    expect(got).toEqual(["a"]);
    await give();
    await waits;
  });

  test("are refused to every caller once they are closed", async () => {
    const { places, take } = await setup();
    const waits = take("a");
    places.close(new Error("closed"));
    await expect(waits).rejects.toThrow("closed");
    await expect(take("b")).rejects.toThrow("closed");
  });
});
