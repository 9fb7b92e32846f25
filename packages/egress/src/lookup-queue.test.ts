import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { lookupsWith } from "./limits.ts";
import { createLookupQueue, createLookupQueues } from "./lookup-queue.ts";

const [A, B, C] = [1, 2, 3] as AccountId[] as [AccountId, AccountId, AccountId];

/** Creates a queue, and lookups that the test ends. */
function setup(size: number, waitingMax = 100) {
  const queue = createLookupQueue(size, waitingMax);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
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
      await new Promise((resolve) => setImmediate(resolve));
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
    const queues = createLookupQueues(max, 10_000);
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
