import type { AccountId } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { lookupsWith } from "./limits.ts";
import { createLookupQueue, createLookupQueues } from "./lookup-queue.ts";

const [A, B, C] = [1, 2, 3] as AccountId[] as [AccountId, AccountId, AccountId];

/** Creates a queue, and lookups that the test ends. */
function setup(size: number, waitingMax = 100) {
  let nowMs = 0;
  const queue = createLookupQueue(size, waitingMax, () => nowMs);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    begun,
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Adds lookups of an account, named a1, a2, … */
    add: (account: AccountId, count: number, prefix: string) =>
      Array.from({ length: count }, (_, i) => {
        const name = `${prefix}${i + 1}`;
        return queue.add(
          {
            get hasBegun() {
              return begun.includes(name);
            },
            begin: () => {
              begun.push(name);
              return new Promise<void>((resolve) => ends.set(name, resolve));
            },
          },
          account,
        );
      }),
    async end(name: string) {
      ends.get(name)?.();
      ends.delete(name);
      await settle();
    },
    /** Ends all that are in progress now. */
    async endAll() {
      const all = [...ends.values()];
      ends.clear();
      for (const end of all) end();
      await settle();
    },
  };
}

test("an account leaves places to others, however many lookups it wants", () => {
  const { add, begun } = setup(10);
  add(A, 20, "a");
  expect(begun).toHaveLength(8);
  add(B, 1, "b");
  add(C, 1, "c");
  expect(begun.slice(8)).toEqual(["b1", "c1"]);
});

test("accounts that wait take turns, and the lookups of each begin in order", async () => {
  const { add, begun, end } = setup(1);
  add(A, 4, "a");
  add(B, 2, "b");
  add(C, 1, "c");
  for (let i = 0; i < 7; i += 1) await end(begun.at(-1) ?? "");
  expect(begun).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
});

test("an account cannot take all waiting places", () => {
  const { add } = setup(1, 10);
  expect(add(A, 20, "a").filter(Boolean)).toHaveLength(1 + 8);
  expect(add(B, 2, "b")).toEqual([true, false]);
});

describe("accounts whose lookups take long", () => {
  const SLOW_MS = 20_000;

  test("leave others room for new names at once, however many they are, after each has had one", async () => {
    const { add, begun, pass, end, endAll } = setup(12, 1_000);
    const slow = Array.from({ length: 40 }, (_, i) => (100 + i) as AccountId);
    for (const id of slow) add(id, 20, `slow-${id}-`);
    const hadOne = () => new Set(begun.map((name) => name.slice(0, "slow-100".length))).size;
    for (let i = 0; hadOne() < slow.length; i += 1) {
      expect(i).toBeLessThan(4);
      pass(SLOW_MS);
      await endAll();
    }
    for (let i = 0; i < 5; i += 1) {
      pass(SLOW_MS);
      await endAll();
      begun.length = 0;
      add(A, 1, `a-${i}-`);
      add(B, 1, `b-${i}-`);
      expect(begun).toEqual([`a-${i}-1`, `b-${i}-1`]);
      for (const name of [...begun]) await end(name);
    }
  });

  test("wait for those whose lookups took less long, and then in the order of their debts", async () => {
    const { add, begun, pass, end } = setup(1);
    add(A, 1, "first-a");
    add(B, 1, "first-b");
    pass(3_000);
    await end("first-a1");
    add(A, 1, "a");
    add(B, 1, "b");
    add(C, 1, "c");
    pass(2_000);
    await end("first-b1");
    await end("c1");
    await end("b1");
    expect(begun.slice(2)).toEqual(["c1", "b1", "a1"]);
  });

  test("take no more places while one takes long, but have those that they have", () => {
    const { add, begun, pass } = setup(12);
    add(A, 7, "a");
    pass(1_000);
    add(A, 1, "prompt");
    expect(begun).toHaveLength(8);
    pass(1);
    add(A, 1, "late");
    expect(begun).toHaveLength(8);
    add(B, 1, "b");
    expect(begun).toHaveLength(9);
  });

  test("leave places to others when they come back after minutes, all at once", async () => {
    const { add, begun, pass, end, endAll } = setup(12);
    const comeBack = (nth: number) => {
      for (let id = 11; id <= 30; id += 1) add(id as AccountId, 1, `slow-${nth}-${id}-`);
    };
    comeBack(1);
    for (let round = 0; round < 2; round += 1) {
      pass(4_000);
      await endAll();
    }
    pass(95_000);
    begun.length = 0;
    comeBack(2);
    add(A, 1, "good");
    expect(begun).toHaveLength(9);
    expect(begun.at(-1)).toBe("good1");
    await end("good1");
  });

  test("owe nothing when two hundred times as long has passed", async () => {
    const { add, begun, pass, end, endAll } = setup(3);
    add(A, 1, "a");
    pass(3_000);
    await end("a1");
    pass(200 * 2_000 - 1);
    add(A, 2, "early");
    expect(begun).toEqual(["a1", "early1"]);
    await endAll();
    await endAll();
    pass(1);
    add(A, 2, "late");
    expect(begun.slice(3)).toEqual(["late1", "late2"]);
  });
});

test.each([
  [64, 30],
  [16, 6],
  [8, 3],
  [4, 2],
  [1, 1],
])("with %i threads, there are %i lookups for receivers", (threads, lookups) => {
  expect(lookupsWith(threads)).toBe(lookups);
});

test.each([1, 2, 3, 4, 5, 14, 30, 510])(
  "with %i lookups, no more than that many are in progress, whatever the names",
  (max) => {
    const queues = createLookupQueues(max, 10_000, () => 0);
    let begun = 0;
    const lookup = () => ({
      hasBegun: false,
      begin: () => {
        begun += 1;
        return new Promise<void>(() => {});
      },
    });
    for (let account = 1; account <= 1_000; account += 1) {
      for (const queue of Object.values(queues)) queue.add(lookup(), account as AccountId);
    }
    expect(begun).toBe(max);
  },
);
