import type { AccountId } from "@posthaste/domain";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ANONYMOUS, createLoopTurns, type LoopTurns } from "./loop-turns.ts";

const [A, B, C, LIGHT] = [1, 2, 3, 4] as AccountId[] as [AccountId, AccountId, AccountId, AccountId];
const LARGE = 1_048_576;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The test that runs. Computations that an earlier one has left behind do nothing. */
let running: object | undefined;

/** Creates turns with a clock of their own, and computations that take as long as the test says. */
function setup() {
  const own = {};
  running = own;
  let nowMs = 0;
  const waits: string[] = [];
  const turns = createLoopTurns({
    now: () => nowMs,
    onWaited: (ms, end) => waits.push(`${end} after ${ms} ms`),
  });
  const computed: string[] = [];
  const turn = async () => await new Promise(setImmediate);
  /** Lets time pass while nothing is computed. */
  const pass = async (ms: number) => {
    for (const until = nowMs + ms; nowMs < until; ) {
      nowMs += 1;
      vi.advanceTimersByTime(1);
      await turn();
    }
  };
  return {
    turns,
    computed,
    waits,
    now: () => nowMs,
    turn,
    pass,
    compute: async (id: AccountId, name: string, ms: number, bytes = LARGE, signal?: AbortSignal) => {
      await turns.wait(id, bytes, signal);
      // As a decoder's result goes through several promises.
      await Promise.resolve();
      if (running !== own) return;
      computed.push(name);
      nowMs += ms;
      vi.advanceTimersByTime(ms);
    },
    /** Lets an account compute so long that it owes all that it can. */
    indebt: async (id: AccountId) => {
      await turns.wait(id, LARGE);
      nowMs += 1_000;
      await turn();
    },
  };
}

test("an account that is alone computes once in each turn of the loop, without pauses", async () => {
  const { turns, compute, computed, turn } = setup();
  turns.begin(A);
  const all = Array.from({ length: 5 }, (_, i) => compute(A, `a${i}`, 200));
  for (let n = 1; n <= 5; n++) {
    await turn();
    expect(computed).toHaveLength(n);
  }
  await Promise.all(all);
  expect(turns.waiting()).toBe(0);
});

test("what looks at few bytes never waits, and is not charged", async () => {
  const { turns, compute, computed, indebt } = setup();
  turns.begin(B);
  await indebt(A);
  await compute(A, "small", 500, 1_024);
  expect(computed).toEqual(["small"]);
});

test("what callers without a token compute waits, however few bytes they look at", async () => {
  const { turns, compute, computed, turn, indebt } = setup();
  await indebt(ANONYMOUS);
  turns.begin(B);
  void compute(ANONYMOUS, "anonymous", 1, 10);
  await compute(A, "a", 1);
  await turn();
  expect(computed).toEqual(["a"]);
});

/** Returns the part of the time in which these accounts compute, while calls of a light one are in flight. */
async function shareOf(...ids: AccountId[]) {
  const { turns, compute, computed, pass, now } = setup();
  for (const id of ids) for (let i = 0; i < 200; i++) void compute(id, String(id), 30);
  const begunAt = now();
  while (now() - begunAt < 3_000) {
    const end = turns.begin(LIGHT);
    await pass(100);
    end();
  }
  const timesOf = ids.map((id) => computed.filter((name) => name === String(id)).length);
  return { share: (computed.length * 30) / (now() - begunAt), timesOf };
}

test("an account that owes gets a third of the time while a light one has a request in flight", async () => {
  const { share } = await shareOf(A);
  expect(share).toBeGreaterThan(0.3);
  expect(share).toBeLessThan(0.36);
});

test("several accounts that owe share less than half of the time", async () => {
  const { share, timesOf } = await shareOf(A, B, C);
  expect(share).toBeGreaterThan(0.4);
  expect(share).toBeLessThan(0.5);
  expect(Math.max(...timesOf) - Math.min(...timesOf)).toBeLessThan(3);
});

test("many accounts that owe leave half of the time to light ones", async () => {
  const many = Array.from({ length: 24 }, (_, i) => (10 + i) as AccountId);
  const { turns, compute, pass, now } = setup();
  let owing = 0;
  for (const id of many)
    for (let i = 0; i < 20; i++)
      void compute(id, String(id), 150).then(
        () => (owing += 150),
        () => {},
      );
  const waits: number[] = [];
  // The first computation of each goes without a rest: nobody knew that it would take long.
  await pass(4_000);
  const [begunAt, before] = [now(), owing];
  while (now() - begunAt < 12_000) {
    const end = turns.begin(LIGHT);
    const from = now();
    const done = compute(LIGHT, "light", 2).then(() => waits.push(now() - from));
    await pass(100);
    await done;
    end();
  }
  expect((owing - before) / (now() - begunAt)).toBeLessThan(0.5);
  // At most what is being computed, and what it takes itself.
  expect(Math.max(...waits)).toBeLessThan(2 * 150 + 20);
});

test("a light account that computes little stays light beside many that owe", async () => {
  const { turns, compute, computed, indebt } = setup();
  for (let i = 0; i < 24; i++) await indebt((10 + i) as AccountId);
  turns.begin(B);
  for (let i = 0; i < 3; i++) await compute(LIGHT, "light", 2);
  expect(computed).toHaveLength(3);
});

test("an account that owes computes as soon as no light account has a request in flight", async () => {
  const { turns, compute, computed, turn, indebt } = setup();
  const end = turns.begin(B);
  await indebt(A);
  void compute(A, "a", 30);
  for (let n = 0; n < 5; n++) await turn();
  expect(computed).toEqual([]);
  end();
  await turn();
  expect(computed).toEqual(["a"]);
});

test("a light account's request that lasts long waits for something else, and holds nobody up", async () => {
  const { turns, compute, computed, pass, indebt } = setup();
  await indebt(A);
  turns.begin(B);
  void compute(A, "a", 30);
  await pass(900);
  expect(computed).toEqual([]);
  await pass(110);
  expect(computed).toEqual(["a"]);
});

test("an open stream holds nobody up, also while its account calls something else now and then", async () => {
  const { turns, compute, computed, pass, indebt } = setup();
  turns.begin(B);
  await pass(1_010);
  await indebt(A);
  turns.begin(B)();
  void compute(A, "a", 30);
  await pass(10);
  expect(computed).toEqual(["a"]);
});

test("an account that owes nothing computes before one that has waited longer and owes", async () => {
  const { compute, computed, turn, indebt } = setup();
  await indebt(A);
  for (const name of ["a1", "a2"]) void compute(A, name, 1);
  void compute(B, "b", 1);
  for (let n = 0; n < 3; n++) await turn();
  expect(computed).toEqual(["b", "a1", "a2"]);
});

test("two accounts that are alone share the time, however long each one's computations take", async () => {
  const { compute, computed, turn } = setup();
  for (let i = 0; i < 100; i++) {
    void compute(A, "a", 100);
    void compute(B, "b", 20);
  }
  for (let n = 0; n < 60; n++) await turn();
  const ofA = computed.filter((name) => name === "a").length * 100;
  const ofB = computed.filter((name) => name === "b").length * 20;
  expect(ofA / ofB).toBeGreaterThan(0.7);
  expect(ofA / ofB).toBeLessThan(1.4);
});

/** Accepts a connection in each turn of the loop, and returns after how many what was awaited is there. */
async function turnsOfCrowd(turns: LoopTurns, isThere: () => boolean, pass: () => Promise<void>) {
  for (let accepted = 0; ; accepted++) {
    if (isThere()) return accepted;
    turns.accepted();
    await pass();
  }
}

test("while connections arrive, a computation is followed by a rest of its length", async () => {
  const { turns, compute, computed, pass } = setup();
  for (let i = 0; i < 10; i++) void compute(A, "a", 100);
  const nextOf = (count: number) =>
    turnsOfCrowd(
      turns,
      () => computed.length === count,
      async () => await pass(1),
    );
  await nextOf(1);
  for (let count = 2; count <= 10; count++) {
    const accepted = await nextOf(count);
    expect(accepted).toBeGreaterThanOrEqual(99);
    expect(accepted).toBeLessThanOrEqual(102);
  }
});

test("once no more connections arrive, the next computation does not wait for the rest", async () => {
  const { turns, compute, computed, turn } = setup();
  for (let i = 0; i < 3; i++) void compute(A, "a", 100);
  await turn();
  turns.accepted();
  await turn();
  expect(computed).toHaveLength(1);
  await turn();
  expect(computed).toHaveLength(2);
});

test("what nobody waits for any more leaves the line", async () => {
  const { turns, compute, computed, waits, turn } = setup();
  const over = new AbortController();
  const left = compute(A, "left", 30, LARGE, over.signal);
  void compute(A, "stays", 30);
  over.abort();
  await expect(left).rejects.toBe(over.signal.reason);
  await turn();
  expect(computed).toEqual(["stays"]);
  expect(waits).toEqual(["left after 0 ms", "computed after 0 ms"]);
  await expect(turns.wait(A, LARGE, over.signal)).rejects.toBe(over.signal.reason);
  expect(turns.waiting()).toBe(0);
});

test("what has waited for half a minute is refused", async () => {
  const { turns, compute, waits, pass, indebt } = setup();
  await indebt(A);
  // Repaying takes two seconds, and each of the computations before the last one another two.
  const all = Array.from({ length: 30 }, () => compute(A, "a", 1_000));
  const refused = expect(all.at(-1)).rejects.toMatchObject({
    code: "too_many",
    reason: "COMPUTING_FULL",
    retryAfterMs: 1_000,
    message: expect.stringContaining("has waited for 30 s; send fewer or smaller ones at once"),
  });
  for (const one of all) one.catch(() => {});
  for (let round = 0; round < 310; round++) {
    const end = turns.begin(B);
    await pass(100);
    end();
  }
  await refused;
  expect(turns.waiting()).toBe(0);
  expect(waits.at(-1)).toMatch(/^refused after 3\d{4} ms$/);
});
