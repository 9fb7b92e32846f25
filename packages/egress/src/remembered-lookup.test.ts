import type { LookupAddress } from "node:dns";
import type { AccountId } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { rememberLookups } from "./remembered-lookup.ts";

const [A, B] = [1, 2] as AccountId[] as [AccountId, AccountId];

/** Creates a lookup whose resolver the test answers for. */
function setup(limits: Partial<EgressLimits> = {}) {
  const asked: string[] = [];
  const open = new Map<string, { resolve(found: LookupAddress[]): void; reject(error: Error): void }>();
  let nowMs = 0;
  const resolve = rememberLookups(
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
    resolve,
    ask: (name: string, account = A) =>
      resolve(name, account).answer.then(
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

test("of a name with thousands of addresses, a few are kept", async () => {
  const many = Array.from({ length: 4_000 }, (_, i) => ({ address: `192.0.2.${i % 250}`, family: 4 }));
  const resolve = rememberLookups(
    async () => many,
    EGRESS_LIMITS,
    () => 0,
  );
  expect(await resolve("a.example", A).answer).toEqual(many.slice(0, EGRESS_LIMITS.addressesMax));
});

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

describe("if the cache is full,", () => {
  /** Creates a cache for two names, whose names the test finds. */
  function small(limits: Partial<EgressLimits> = {}) {
    const all = setup({ namesMax: 2, ...limits });
    return {
      ...all,
      find: async (name: string, account = A) => {
        const found = all.ask(name, account);
        await all.answer(name, "192.0.2.1");
        await found;
      },
    };
  }

  test("the name that was used longest ago is evicted, whenever it was looked up", async () => {
    const { find, ask, asked } = small();
    await find("a.example");
    await find("b.example");
    await ask("a.example");
    await find("c.example");
    asked.length = 0;
    await ask("a.example");
    await ask("c.example");
    expect(asked).toHaveLength(0);
    await find("b.example");
    expect(asked).toEqual(["b.example"]);
  });

  test("another account's names do not evict a name, which keeps its last answer and its queue", async () => {
    const { find, resolve, asked, pass } = small();
    await find("good.example", A);
    for (let i = 0; i < 10; i += 1) await find(`other-${i}.example`, B);
    asked.length = 0;
    expect(await resolve("good.example", A).answer).toEqual([{ address: "192.0.2.1", family: 4 }]);
    expect(asked).toEqual([]);
    pass(EGRESS_LIMITS.answerMs);
    // Silent new names, which are in another queue, do not delay it.
    for (let i = 0; i < 100; i += 1) void resolve(`silent-${i}.example`, B);
    void resolve("good.example", A);
    expect(asked).toContain("good.example");
  });

  test("a known name that finds its queue full counts as used", async () => {
    const { find, ask, answer, pass } = small({ lookupsMax: 1, waitingNamesMax: 0 });
    await find("a.example");
    await find("b.example");
    pass(EGRESS_LIMITS.answerMs);
    void ask("b.example");
    expect(await ask("a.example")).toBe("192.0.2.1");
    await answer("b.example", "192.0.2.1");
    void ask("c.example");
    expect(await ask("a.example")).toBe("192.0.2.1");
  });
});

test("new, failed and known names have separate queues", async () => {
  const { ask, asked, answer, fail, pass, settle } = setup({ lookupsMax: 3 });
  for (const name of ["good.example", "better.example", "bad.example", "worse.example"]) {
    const found = ask(name);
    if (name.includes("e.ex") || name.startsWith("bad")) await fail(name);
    else await answer(name, "192.0.2.1");
    await found;
  }
  pass(EGRESS_LIMITS.answerMs);
  asked.length = 0;
  const kinds = [
    ["bad.example", "worse.example"],
    ["new1.example", "new2.example"],
    ["good.example", "better.example"],
  ] as const;
  const inOrder = kinds.flat().map((name) => ask(name));
  expect(asked).toEqual(kinds.map(([first]) => first));
  // Each queue continues independently, in its order.
  for (const [first] of kinds) await answer(first, "192.0.2.1");
  await settle();
  expect(asked.slice(3)).toEqual(kinds.map(([, second]) => second));
  for (const [, second] of kinds) await answer(second, "192.0.2.2");
  expect(await Promise.all(inOrder)).toEqual(kinds.flatMap(() => ["192.0.2.1", "192.0.2.2"]));
});

test("few lookups are one queue for all kinds of names", async () => {
  const { ask, asked, answer, fail, pass } = setup({ lookupsMax: 1 });
  const bad = ask("bad.example");
  await fail("bad.example");
  await bad;
  pass(EGRESS_LIMITS.answerMs);
  void ask("bad.example");
  void ask("new.example");
  expect(asked).toEqual(["bad.example", "bad.example"]);
  await answer("bad.example", "192.0.2.1");
  expect(asked.at(-1)).toBe("new.example");
});

test("a name that one account waits for is looked up in another account's turn, if that comes first", async () => {
  const { ask, asked, answer } = setup({ lookupsMax: 1 });
  for (const name of ["a.example", "b.example", "c.example", "shared.example"]) void ask(name);
  const shared = ask("shared.example", B);
  void ask("shared.example", B);
  await answer("a.example", "192.0.2.1");
  await answer("b.example", "192.0.2.1");
  expect(asked).toEqual(["a.example", "b.example", "shared.example"]);
  await answer("shared.example", "192.0.2.2");
  expect(await shared).toBe("192.0.2.2");
  // It is not looked up again in the turn of the first account.
  await answer("c.example", "192.0.2.1");
  expect(asked).toEqual(["a.example", "b.example", "shared.example", "c.example"]);
});

test("a caller learns how long its name waited for other names", async () => {
  const { resolve, pass, answer } = setup({ lookupsMax: 1 });
  const [first, second] = [resolve("a.example", A), resolve("b.example", A)];
  pass(10);
  expect([first.queuedMs(), second.queuedMs()]).toEqual([0, 10]);
  await answer("a.example", "192.0.2.1");
  pass(10);
  const third = resolve("b.example", A);
  expect([second.queuedMs(), third.queuedMs()]).toEqual([10, 0]);
});

test("a full queue refuses further names, and the refusal is not cached", async () => {
  const { ask, asked, answer } = setup({ lookupsMax: 1, waitingNamesMax: 1 });
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

describe("while a known name is looked up again", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  /** Resolves a name, lets the answer expire, and asks again. */
  async function refreshing(limits: Partial<EgressLimits> = {}) {
    const all = setup(limits);
    const found = all.ask("a.example");
    await all.answer("a.example", "192.0.2.1");
    await found;
    all.pass(EGRESS_LIMITS.answerMs);
    return all;
  }

  test("its last answer is used after a time, and the new one as soon as it is there", async () => {
    const { ask, asked, answer } = await refreshing();
    const answers: (string | undefined)[] = [];
    void ask("a.example").then((address) => answers.push(address));
    await vi.advanceTimersByTimeAsync(EGRESS_LIMITS.refreshMs - 1);
    expect(answers).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(answers).toEqual(["192.0.2.1"]);
    expect(await ask("a.example")).toBe("192.0.2.1");
    await answer("a.example", "192.0.2.2");
    expect(await ask("a.example")).toBe("192.0.2.2");
    expect(asked).toHaveLength(2);
  });

  test("a new answer or a failure that comes in time is used instead", async () => {
    const moved = await refreshing();
    const address = moved.ask("a.example");
    await moved.answer("a.example", "192.0.2.2");
    expect(await address).toBe("192.0.2.2");
    const gone = await refreshing();
    const failure = gone.ask("a.example");
    await gone.fail("a.example");
    expect(await failure).toBe("no such name");
    // Nor is the last answer used later.
    gone.pass(EGRESS_LIMITS.failureMsMin);
    const again = gone.ask("a.example");
    await vi.advanceTimersByTimeAsync(EGRESS_LIMITS.refreshMs);
    await gone.answer("a.example", "192.0.2.3");
    expect(await again).toBe("192.0.2.3");
  });

  test("its last answer is used at once if its queue is full", async () => {
    const { ask, pass } = await refreshing({ lookupsMax: 1, waitingNamesMax: 0 });
    void ask("b.example");
    expect(await ask("a.example")).toBe("192.0.2.1");
    pass(EGRESS_LIMITS.lastAnswerMs);
    expect(await ask("a.example")).toBe("too many names wait to be looked up");
  });

  test("its last answer is no longer used when it is too old", async () => {
    const { ask, pass, answer, fail } = await refreshing();
    void ask("a.example");
    await vi.advanceTimersByTimeAsync(EGRESS_LIMITS.refreshMs);
    pass(EGRESS_LIMITS.lastAnswerMs - EGRESS_LIMITS.answerMs - 1);
    expect(await ask("a.example")).toBe("192.0.2.1");
    pass(1);
    const waiting = ask("a.example");
    await answer("a.example", "192.0.2.2");
    expect(await waiting).toBe("192.0.2.2");
    pass(EGRESS_LIMITS.lastAnswerMs);
    const failing = ask("a.example");
    await fail("a.example");
    expect(await failing).toBe("no such name");
    pass(EGRESS_LIMITS.failureMsMax);
    const again = ask("a.example");
    await answer("a.example", "192.0.2.3");
    expect(await again).toBe("192.0.2.3");
  });
});
