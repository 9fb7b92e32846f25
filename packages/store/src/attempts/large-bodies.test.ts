import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { AccountId, EventId } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { createLargeBodies, type LargeEvent } from "./large-bodies.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const MIB = 1024 * 1024;

function large(id: string, { account = 1, bytes = MIB } = {}): LargeEvent {
  return { id: id as EventId, accountId: account as AccountId, bytes };
}

/** Bodies of events that all have the snapshot "7777…". */
function setup({ erased = [] as string[] } = {}) {
  const reads: (readonly EventId[])[] = [];
  const snapshots: WeakRef<Uint8Array>[] = [];
  const bodyOf = createLargeBodies({
    splits: () => true,
    async read(ids) {
      reads.push(ids);
      const found = ids
        .filter((id) => !erased.includes(id))
        .map((id) => [id, Buffer.alloc(MIB, "7")] as const);
      for (const [, snapshot] of found) snapshots.push(new WeakRef(snapshot));
      return new Map(found);
    },
  });
  return { bodyOf, reads, snapshots };
}

describe("the body of a large event", () => {
  test("is read once for all deliveries that ask for it at once, and shared by them", async () => {
    const { bodyOf, reads } = setup();
    const [first, ...others] = await Promise.all(["a", "a", "b", "a"].map((id) => bodyOf(large(id))));
    expect(first).toEqual(Buffer.from(`[${"7".repeat(MIB)}]`));
    expect(others.map((body) => body === first)).toEqual([true, false, true]);
    expect(reads).toEqual([["a"], ["b"]]);
  });

  test("is shared with those who ask while an attempt holds it", async () => {
    const { bodyOf, reads } = setup();
    const held = await bodyOf(large("a"));
    await new Promise(setImmediate);
    collectGarbage();
    expect(await bodyOf(large("a"))).toBe(held);
    expect(reads).toEqual([["a"]]);
  });

  test("is kept by nobody once its attempts have ended, and the snapshot not even until then", async () => {
    const { bodyOf, snapshots } = setup();
    let body = await bodyOf(large("a"));
    const ref = new WeakRef(body as Uint8Array);
    await new Promise(setImmediate);
    collectGarbage();
    expect(snapshots[0]?.deref()).toBeUndefined();
    expect(ref.deref()).toBe(body);
    body = undefined;
    await new Promise(setImmediate);
    collectGarbage();
    expect(ref.deref()).toBeUndefined();
  });

  test("is undefined if the event was erased, and its neighbours are found", async () => {
    const { bodyOf } = setup({ erased: ["a"] });
    const asked = [large("a", { bytes: 20_000 }), large("b", { bytes: 20_000 })];
    const bodies = await Promise.all(asked.map(bodyOf));
    expect(bodies.map((body) => body?.length)).toEqual([undefined, MIB + 2]);
  });

  test("is read in statements of at most a mebibyte, in turns of their accounts", async () => {
    const { bodyOf, reads } = setup();
    const others = ["a1", "a2", "a3", "a4"].map((id) => large(id, { bytes: 0.4 * MIB }));
    await Promise.all([...others, large("b1", { account: 2, bytes: 0.4 * MIB })].map(bodyOf));
    expect(reads).toEqual([["a1", "b1"], ["a2", "a3"], ["a4"]]);
  });

  test("leaves the event loop its turns between two statements", async () => {
    const { bodyOf, reads } = setup();
    const all = Promise.all(["a", "b", "c"].map((id) => bodyOf(large(id))));
    const readBy: number[] = [];
    while (reads.length < 3) {
      await new Promise(setImmediate);
      readBy.push(reads.length);
    }
    await all;
    expect(new Set(readBy)).toEqual(new Set([1, 2, 3]));
  });
});
