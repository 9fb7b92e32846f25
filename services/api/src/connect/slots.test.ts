import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createSlots } from "./slots.ts";

const [OURS, THEIRS] = [1, 2] as AccountId[] as [AccountId, AccountId];

test("at most so many tasks run at once, in the order in which they came, also after one that fails", async () => {
  const inSlot = createSlots(2);
  const begun: number[] = [];
  const ends = Array.from({ length: 5 }, () => Promise.withResolvers<number>());
  const all = ends.map(({ promise }, i) =>
    inSlot(
      OURS,
      async () => {
        begun.push(i);
        return await promise;
      },
      undefined,
    ),
  );
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error("fails"));
  await expect(all[1]).rejects.toThrow("fails");
  expect(begun).toEqual([0, 1, 2]);
  for (const i of [0, 2, 3, 4]) ends[i]?.resolve(i);
  expect(await Promise.all([all[0], ...all.slice(2)])).toEqual([0, 2, 3, 4]);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
});

test("an account's task waits for one of another's, however many of those came before", async () => {
  const inSlot = createSlots(1, () => 0);
  const begun: string[] = [];
  const note = (name: string) => async () => void begun.push(name);
  const others = Array.from({ length: 10 }, (_, i) => inSlot(OURS, note(`ours ${i}`), undefined));
  await Promise.all([...others, inSlot(THEIRS, note("theirs"), undefined)]);
  expect(begun.indexOf("theirs")).toBe(2);
  expect(begun).toHaveLength(11);
});

test("the account whose tasks took least is next", async () => {
  let nowMs = 0;
  const inSlot = createSlots(1, () => nowMs);
  const begun: string[] = [];
  const takes = (ms: number, name: string) => async () => {
    begun.push(name);
    await Promise.resolve();
    nowMs += ms;
  };
  await inSlot(OURS, takes(500, "ours, long"), undefined);
  await Promise.all([
    inSlot(THEIRS, takes(10, "theirs 0"), undefined),
    inSlot(OURS, takes(10, "ours"), undefined),
    inSlot(THEIRS, takes(10, "theirs 1"), undefined),
    inSlot(THEIRS, takes(10, "theirs 2"), undefined),
  ]);
  expect(begun).toEqual(["ours, long", "theirs 0", "theirs 1", "theirs 2", "ours"]);
});

test("a task that nobody waits for leaves the queue at once, and its slot goes to another", async () => {
  const inSlot = createSlots(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = inSlot(OURS, () => promise, undefined);
  const leaving = new AbortController();
  const left = inSlot(THEIRS, async () => "left", leaving.signal);
  const last = inSlot(THEIRS, async () => "last", undefined);
  leaving.abort(new Error("has left"));
  await expect(left).rejects.toThrow("has left");
  resolve();
  expect([await first, await last]).toEqual([undefined, "last"]);
});
