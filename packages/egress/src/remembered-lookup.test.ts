import type { LookupAddress } from "node:dns";
import { expect, test } from "vitest";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { rememberLookups } from "./remembered-lookup.ts";

/** Creates a lookup whose resolver the test answers for. */
function setup(limits: Partial<EgressLimits> = {}) {
  const asked: string[] = [];
  const open = new Map<string, { resolve(found: LookupAddress[]): void; reject(error: Error): void }>();
  let nowMs = 0;
  const { resolve, isQueued } = rememberLookups(
    (name) => {
      asked.push(name);
      return new Promise((resolve, reject) => open.set(name, { resolve, reject }));
    },
    { ...EGRESS_LIMITS, ...limits },
    () => nowMs,
  );
  /** Waits until all settled promises have been handled. */
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    asked,
    isQueued,
    ask: (name: string) =>
      resolve(name).then(
        ([first]) => first?.address,
        (error: Error) => error.message,
      ),
    async answer(name: string, address: string) {
      open.get(name)?.resolve([{ address, family: 4 }]);
      await settle();
    },
    async fail(name: string) {
      open.get(name)?.reject(new Error("no such name"));
      await settle();
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
    settle,
  };
}

test("an answer is cached for its time, and then resolved again", async () => {
  const { ask, asked, answer, pass } = setup();
  const first = ask("a.example");
  await answer("a.example", "192.0.2.1");
  expect(await first).toBe("192.0.2.1");
  pass(EGRESS_LIMITS.answerMs - 1);
  expect(await ask("a.example")).toBe("192.0.2.1");
  expect(asked).toHaveLength(1);
  pass(1);
  const second = ask("a.example");
  await answer("a.example", "192.0.2.2");
  expect(await second).toBe("192.0.2.2");
  expect(asked).toHaveLength(2);
});

test("concurrent calls for one name share one lookup", async () => {
  const { ask, asked, answer, pass } = setup();
  const all = [ask("a.example"), ask("a.example")];
  pass(10 * EGRESS_LIMITS.answerMs);
  all.push(ask("a.example"));
  await answer("a.example", "192.0.2.1");
  expect(await Promise.all(all)).toEqual(["192.0.2.1", "192.0.2.1", "192.0.2.1"]);
  expect(asked).toEqual(["a.example"]);
  await answer("a.example", "192.0.2.1");
  await answer("b.example", "192.0.2.2");
  const again = ask("c.example");
  await answer("c.example", "192.0.2.3");
  expect(await again).toBe("192.0.2.3");
});

test.each([
  ["at once", 0, EGRESS_LIMITS.failureMsMin],
  ["after ten seconds", 10_000, 10_000],
  ["after minutes", 300_000, EGRESS_LIMITS.failureMsMax],
])("a failure %s is cached for as long as its lookup took, within bounds", async (_when, tookMs, keptMs) => {
  const { ask, asked, fail, pass } = setup();
  const first = ask("a.example");
  pass(tookMs);
  await fail("a.example");
  expect(await first).toBe("no such name");
  pass(keptMs - 1);
  expect(await ask("a.example")).toBe("no such name");
  expect(asked).toHaveLength(1);
  pass(1);
  void ask("a.example");
  expect(asked).toHaveLength(2);
});

test("if the cache is full, the name with the oldest lookup is evicted", async () => {
  const { ask, asked, answer, pass } = setup({ namesMax: 2 });
  const find = async (name: string) => {
    const found = ask(name);
    await answer(name, "192.0.2.1");
    await found;
  };
  await find("a.example");
  await find("b.example");
  pass(EGRESS_LIMITS.answerMs);
  await find("a.example");
  await find("c.example");
  asked.length = 0;
  await ask("a.example");
  await ask("c.example");
  expect(asked).toHaveLength(0);
  await find("b.example");
  expect(asked).toEqual(["b.example"]);
});

test("working names do not queue, and new names and failed names have separate queues", async () => {
  const { ask, asked, answer, fail, pass, settle } = setup({ newNamesMax: 1, failedNamesMax: 1 });
  for (const name of ["good.example", "bad.example", "worse.example"]) {
    const found = ask(name);
    if (name === "good.example") await answer(name, "192.0.2.1");
    else await fail(name);
    await found;
  }
  pass(EGRESS_LIMITS.answerMs);
  asked.length = 0;
  const inOrder = [ask("bad.example"), ask("worse.example"), ask("new1.example"), ask("new2.example")];
  void ask("good.example");
  expect(asked).toEqual(["bad.example", "new1.example", "good.example"]);
  // Each queue continues independently, in its order.
  await answer("new1.example", "192.0.2.2");
  await fail("bad.example");
  await settle();
  expect(asked.slice(3).sort()).toEqual(["new2.example", "worse.example"]);
  await answer("worse.example", "192.0.2.3");
  await answer("new2.example", "192.0.2.4");
  expect(await Promise.all(inOrder)).toEqual(["no such name", "192.0.2.3", "192.0.2.2", "192.0.2.4"]);
});

test("a name is queued until the resolver is asked for it", async () => {
  const { ask, isQueued, answer } = setup({ newNamesMax: 1 });
  void ask("a.example");
  void ask("b.example");
  expect(["a.example", "b.example", "c.example"].map(isQueued)).toEqual([false, true, false]);
  await answer("a.example", "192.0.2.1");
  expect(isQueued("b.example")).toBe(false);
});

test("a full queue refuses further names, and the refusal is not cached", async () => {
  const { ask, asked, answer } = setup({ newNamesMax: 1, waitingNamesMax: 1 });
  void ask("a.example");
  void ask("b.example");
  expect(await ask("c.example")).toBe("too many names wait to be looked up");
  expect(asked).toEqual(["a.example"]);
  await answer("a.example", "192.0.2.1");
  await answer("b.example", "192.0.2.2");
  const again = ask("c.example");
  await answer("c.example", "192.0.2.3");
  expect(await again).toBe("192.0.2.3");
});
