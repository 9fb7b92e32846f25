import { describe, expect, test } from "vitest";
import { type Block, takePlace } from "./slot-blocks.ts";

const KNOWN = { knownTo: Number.POSITIVE_INFINITY };

/** What a block stands for, slot by slot. */
function slotsOf(blocks: readonly Block[]): Map<number, number> {
  const slots = new Map<number, number>();
  for (const { slot, lastSlot, taken, takenBefore } of blocks) {
    for (let at = slot; at < lastSlot; at++) slots.set(at, takenBefore);
    slots.set(lastSlot, taken);
  }
  return slots;
}

/** Numbers from 0 up to a bound, the same in each run. */
function numbers(seed: number) {
  let state = seed;
  return (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** No two blocks share a slot, and they are in order. */
function expectDisjoint(blocks: readonly Block[]): void {
  for (const [i, block] of blocks.entries()) {
    expect(block.slot).toBeLessThanOrEqual(block.lastSlot);
    expect(block.slot).toBeGreaterThan(blocks[i - 1]?.lastSlot ?? -1);
  }
}

describe("a place for a retry", () => {
  test.each([1, 2, 3, 4, 5])("is the first one of all slots one by one, with seed %i", (seed) => {
    const next = numbers(seed);
    const perSlot = 1 + next(3);
    const blocks: Block[] = [];
    const taken = new Map<number, number>();
    for (let i = 0; i < 500; i++) {
      const from = next(200);
      let slot = from;
      while ((taken.get(slot) ?? 0) >= perSlot) slot += 1;
      const before = taken.get(slot) ?? 0;
      expect(takePlace(blocks, from, { perSlot, ...KNOWN })).toEqual({ slot, before });
      taken.set(slot, before + 1);
    }
    expect(slotsOf(blocks)).toEqual(taken);
    expectDisjoint(blocks);
  });

  test.each([1, 2, 3, 4, 5])("is never beyond what a slot holds while that changes, with seed %i", (seed) => {
    const next = numbers(seed);
    const blocks: Block[] = [];
    const taken = new Map<number, number>();
    for (let i = 0; i < 1_000; i++) {
      const perSlot = 1 + next(8);
      const from = next(150);
      const { slot, before } = takePlace(blocks, from, { perSlot, ...KNOWN });
      expect(slot).toBeGreaterThanOrEqual(from);
      expect(before).toBeLessThan(perSlot);
      expect(before).toBeGreaterThanOrEqual(taken.get(slot) ?? 0);
      taken.set(slot, (taken.get(slot) ?? 0) + 1);
    }
    expectDisjoint(blocks);
    // A block may say that its slots hold more than they do, never less.
    const said = slotsOf(blocks);
    for (const [slot, count] of taken) expect(said.get(slot)).toBeGreaterThanOrEqual(count);
  });

  test("makes one block of a day of full slots, in whatever order they were filled", () => {
    for (const order of [1, -1, 7]) {
      const blocks: Block[] = [];
      for (let i = 0; i < 8_640; i++) {
        takePlace(blocks, 1_000 + ((((i * order) % 8_640) + 8_640) % 8_640), { perSlot: 1, ...KNOWN });
      }
      expect(takePlace(blocks, 1_000, { perSlot: 1, ...KNOWN })).toEqual({ slot: 9_640, before: 0 });
      expect(blocks).toEqual([{ slot: 1_000, lastSlot: 9_640, taken: 1, takenBefore: 1 }]);
    }
  });

  test("is on time again within a full block, once a slot holds more", () => {
    const blocks: Block[] = [{ slot: 10, lastSlot: 20, taken: 2, takenBefore: 2 }];
    const wide = { perSlot: 4, ...KNOWN };
    expect(takePlace(blocks, 15, wide)).toEqual({ slot: 15, before: 2 });
    expect(takePlace(blocks, 15, wide)).toEqual({ slot: 15, before: 3 });
    expect(takePlace(blocks, 15, wide)).toEqual({ slot: 16, before: 2 });
    expect(takePlace(blocks, 10, wide)).toEqual({ slot: 10, before: 2 });
    expect(takePlace(blocks, 20, wide)).toEqual({ slot: 20, before: 2 });
    expect(takePlace(blocks, 20, wide)).toEqual({ slot: 20, before: 3 });
    expect(takePlace(blocks, 20, wide)).toEqual({ slot: 21, before: 0 });
    expect(takePlace(blocks, 12, wide)).toEqual({ slot: 12, before: 2 });
    expectDisjoint(blocks);
  });

  test("is beside the last one that has been read, if all of those are full", () => {
    const blocks: Block[] = Array.from({ length: 3 }, (_, i) => ({
      slot: 10 + i,
      lastSlot: 10 + i,
      taken: 1,
      takenBefore: 0,
    }));
    expect(takePlace(blocks, 10, { perSlot: 1, knownTo: 12 })).toEqual({ slot: 12, before: 1 });
    expect(takePlace(blocks, 10, { perSlot: 1, knownTo: 12 })).toEqual({ slot: 12, before: 2 });
    expect(blocks).toEqual([{ slot: 10, lastSlot: 12, taken: 3, takenBefore: 1 }]);
  });
});
