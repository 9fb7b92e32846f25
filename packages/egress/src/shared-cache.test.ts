import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createSharedCache } from "./shared-cache.ts";

const [A, B, C] = [1, 2, 3] as AccountId[] as [AccountId, AccountId, AccountId];

function setup(heldMax: number) {
  const cache = createSharedCache<string>(heldMax);
  return {
    use: (id: AccountId, ...keys: string[]) => {
      for (const key of keys) cache.use(key, key.toUpperCase(), id);
    },
    /** Returns which of the keys are cached. */
    kept: (...keys: string[]) => keys.filter((key) => cache.get(key) !== undefined),
  };
}
const many = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

test("a full cache forgets what its only account used longest ago", () => {
  const { use, kept } = setup(2);
  use(A, "a", "b", "a", "c");
  expect(kept("a", "b", "c")).toEqual(["a", "c"]);
});

test("a value is replaced", () => {
  const cache = createSharedCache<number>(2);
  cache.use("a", 1, A);
  cache.use("a", 2, B);
  expect(cache.get("a")).toBe(2);
});

test("an account with many keys displaces its own, not those of others", () => {
  const { use, kept } = setup(10);
  use(A, "a0", "a1");
  use(B, ...many("b", 1_000));
  use(C, "c0", "c1");
  expect(kept("a0", "a1", "c0", "c1")).toHaveLength(4);
  expect(kept(...many("b", 1_000))).toEqual(many("b", 1_000).slice(-6));
});

test("accounts that all want more than there is end up with the same number", () => {
  const { use, kept } = setup(9);
  use(A, ...many("a", 20));
  use(B, ...many("b", 20));
  use(C, ...many("c", 20));
  for (const prefix of ["a", "b", "c"]) expect(kept(...many(prefix, 20))).toHaveLength(3);
});

test("a key that another account gives up stays for those that hold it, too", () => {
  const { use, kept } = setup(10);
  use(A, "shared");
  use(B, "shared", ...many("b", 100));
  expect(kept("shared")).toEqual(["shared"]);
});

test("of accounts with one key each, the one that used none for the longest time gives it up", () => {
  const { use, kept } = setup(2);
  use(A, "a");
  use(B, "b");
  use(A, "a");
  use(C, "c");
  expect(kept("a", "b", "c")).toEqual(["a", "c"]);
});

test("keys never exceed the bound, and none is forgotten without need", () => {
  const { use, kept } = setup(50);
  let state = 1;
  const next = (below: number) => {
    // A linear congruential generator: the same sequence every time.
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  const keys = Array.from({ length: 5 }, (_, account) => many(`${account}-`, 30)).flat();
  for (let i = 0; i < 5_000; i += 1) {
    const account = next(5);
    use((account + 1) as AccountId, `${account}-${next(30)}`);
    const cached = kept(...keys).length;
    expect(cached).toBeLessThanOrEqual(50);
    if (i > 1_000) expect(cached).toBe(50);
  }
});
