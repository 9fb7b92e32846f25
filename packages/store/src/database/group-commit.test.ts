import { afterEach, describe, expect, test, vi } from "vitest";
import { createGroupCommit, type Settled } from "./group-commit.ts";

/** A commit that ends when the test says so. */
function setup({
  itemsMax = 100,
  weightMax = 100,
  groupsMax = 1,
  ownerOf = undefined as ((item: string) => string | undefined) | undefined,
} = {}) {
  const groups: string[][] = [];
  const ends: (() => void)[] = [];
  let onBegin = () => {};
  const add = createGroupCommit<string, string>({
    itemsMax,
    weightMax,
    groupsMax,
    ...(ownerOf === undefined ? {} : { ownerOf }),
    weigh: (item) => item.length,
    splits: (error) => error === "one of them",
    commit: async (items) => {
      groups.push([...items]);
      onBegin();
      await new Promise<void>((resolve) => ends.push(resolve));
      if (items.includes("away")) throw "away";
      if (items.includes("poison, then away")) throw items.length > 1 ? "one of them" : "away";
      if (items.includes("poison")) throw "one of them";
      const committed = items.includes("full") ? items.slice(0, items.indexOf("full") + 1) : items;
      return committed.map(
        (item): Settled<string> => (item === "refused" ? { error: item } : { result: item }),
      );
    },
  });
  return {
    add,
    groups,
    /** Ends the commit in flight, or the next one. */
    async endOne() {
      if (ends.length === 0) await new Promise<void>((resolve) => (onBegin = resolve));
      ends.shift()?.();
    },
  };
}

describe("a group commit", () => {
  test("commits a lone item at once, and commits items that arrive during a commit together", async () => {
    const { add, groups, endOne } = setup();
    const first = add("a");
    await endOne();
    expect(await first).toBe("a");
    const second = add("b");
    const ended = endOne();
    await new Promise(setImmediate);
    const others = [add("c"), add("d")];
    await ended;
    await second;
    await endOne();
    expect(await Promise.all(others)).toEqual(["c", "d"]);
    expect(groups).toEqual([["a"], ["b"], ["c", "d"]]);
  });

  test("keeps its bounds on items and weight, in order", async () => {
    const { add, groups, endOne } = setup({ itemsMax: 2, weightMax: 5 });
    const all = Promise.all(["a", "b", "c", "dddd", "e", "ffffff", "g"].map(add));
    for (let i = 0; i < 5; i++) await endOne();
    await all;
    expect(groups).toEqual([["a", "b"], ["c", "dddd"], ["e"], ["ffffff"], ["g"]]);
  });

  test("takes one item of each owner before a second of any, and those left over first", async () => {
    const { add, groups, endOne } = setup({ itemsMax: 2, ownerOf: (item) => item[0] });
    const all = Promise.all(["a1", "a2", "a3", "a4", "b1", "b2", "c1"].map(add));
    await endOne();
    await new Promise(setImmediate);
    const later = add("d1");
    for (let i = 0; i < 3; i++) await endOne();
    await Promise.all([all, later]);
    expect(groups).toEqual([
      ["a1", "b1"],
      ["c1", "a2"],
      ["b2", "a3"],
      ["d1", "a4"],
    ]);
  });

  test("starts the next commit with the items that the last one left out", async () => {
    const { add, groups, endOne } = setup({ itemsMax: 3 });
    const all = Promise.all(["a", "full", "b", "c"].map(add));
    await endOne();
    await endOne();
    expect(await all).toEqual(["a", "full", "b", "c"]);
    expect(groups).toEqual([
      ["a", "full", "b"],
      ["b", "c"],
    ]);
  });

  test("runs as many transactions at once as allowed, and no more", async () => {
    const { add, groups, endOne } = setup({ groupsMax: 2 });
    const one = add("a");
    await new Promise(setImmediate);
    const two = add("b");
    await new Promise(setImmediate);
    const rest = [add("c"), add("d")];
    await new Promise(setImmediate);
    expect(groups).toEqual([["a"], ["b"]]);
    for (let i = 0; i < 3; i++) await endOne();
    expect(await Promise.all([one, two, ...rest])).toEqual(["a", "b", "c", "d"]);
    expect(groups).toEqual([["a"], ["b"], ["c", "d"]]);
  });

  test("rejects only the item that an error concerns", async () => {
    const { add, endOne } = setup();
    const all = Promise.allSettled([add("a"), add("refused"), add("b")]);
    await endOne();
    expect((await all).map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("commits item by item if one of them may have failed the group", async () => {
    const { add, groups, endOne } = setup();
    const all = Promise.allSettled([add("a"), add("poison"), add("b")]);
    for (let i = 0; i < 4; i++) await endOne();
    expect((await all).map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(groups).toEqual([["a", "poison", "b"], ["a"], ["poison"], ["b"]]);
  });

  test("fails all items without trying each if the database is unavailable", async () => {
    const { add, groups, endOne } = setup();
    const all = Promise.allSettled([add("a"), add("away")]);
    await endOne();
    expect((await all).map((one) => one.status)).toEqual(["rejected", "rejected"]);
    expect(groups).toHaveLength(1);
  });

  test("fails the items that waited since the group began, and tries later ones", async () => {
    const { add, groups, endOne } = setup({ itemsMax: 1 });
    const waited = Promise.allSettled([add("away"), add("a"), add("b")]);
    await new Promise(setImmediate);
    const meanwhile = add("c");
    await endOne();
    expect((await waited).map((one) => one.status)).toEqual(["rejected", "rejected", "rejected"]);
    await endOne();
    expect(await meanwhile).toBe("c");
    expect(groups).toEqual([["away"], ["c"]]);
  });

  test("stops committing item by item once the database becomes unavailable", async () => {
    const { add, groups, endOne } = setup();
    const all = Promise.allSettled([add("a"), add("poison, then away"), add("b")]);
    for (let i = 0; i < 3; i++) await endOne();
    expect((await all).map((one) => one.status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(groups).toEqual([["a", "poison, then away", "b"], ["a"], ["poison, then away"]]);
  });
});

describe("an item that needs a row which another transaction holds", () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  const HELD_MAX_MS = 10_000;

  /** Commits at once, except items that are held. */
  function withHeld() {
    const held = new Set<string>();
    const groups: string[][] = [];
    const add = createGroupCommit<string, string>({
      itemsMax: 2,
      splits: () => true,
      commit: async (items) => {
        groups.push([...items]);
        return items.map(
          (item): Settled<string> =>
            held.has(item) ? { held: new Error(`${item} is held`) } : { result: item },
        );
      },
    });
    return { held, groups, add };
  }

  test("is set aside, and tried again in groups of its own until the row is free", async () => {
    const { held, groups, add } = withHeld();
    held.add("held");
    const waiting = add("held");
    expect(await Promise.all(["a", "b", "c"].map(add))).toEqual(["a", "b", "c"]);
    await vi.waitUntil(() => groups.filter((group) => group.includes("held")).length > 2);
    held.delete("held");
    expect(await waiting).toBe("held");
    const [first, ...others] = groups.filter((group) => group.includes("held"));
    expect(first).toEqual(["held", "a"]);
    for (const group of others) expect(group).toEqual(["held"]);
  });

  test("fails after ten seconds, and is tried about four times a second until then", async () => {
    vi.useFakeTimers();
    const { held, groups, add } = withHeld();
    held.add("held");
    const failed = expect(add("held")).rejects.toThrow("held is held");
    await vi.advanceTimersByTimeAsync(2 * HELD_MAX_MS);
    await failed;
    expect(groups.length).toBeGreaterThan(20);
    expect(groups.length).toBeLessThan(120);
  });
});
