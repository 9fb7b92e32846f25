import type { AccountId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createKeptSchemas, type SchemaOwner } from "./kept-schemas.ts";

const [A, B, C] = [1, 2, 3] as AccountId[] as [AccountId, AccountId, AccountId];
/** What each schema of a text of a thousand characters counts. */
const EACH = 1_024 + 1_000;
const TEXT = "x".repeat(1_000);

function setup(count: number) {
  const schemas = createKeptSchemas<{ readonly key: string }>(count * EACH);
  return {
    keep: (owner: SchemaOwner, ...keys: string[]) => {
      for (const key of keys) schemas.set(owner, key, { key }, TEXT);
    },
    kept: (owner: SchemaOwner, ...keys: string[]) =>
      keys.filter((key) => schemas.get(owner, key)?.key === key),
  };
}
const many = (count: number) => Array.from({ length: count }, (_item, i) => `${i}`);

test("an account gives up what it used longest ago", () => {
  const { keep, kept } = setup(2);
  keep(A, "a", "b");
  kept(A, "a");
  keep(A, "c");
  expect(kept(A, "a", "b", "c")).toEqual(["a", "c"]);
});

test("the account that holds most gives up its own, whoever comes", () => {
  const { keep, kept } = setup(10);
  keep(A, "1", "2");
  keep(B, ...many(1_000));
  keep(C, "1", "2");
  expect([kept(A, "1", "2"), kept(C, "1", "2")]).toEqual([
    ["1", "2"],
    ["1", "2"],
  ]);
  expect(kept(B, ...many(1_000))).toEqual(["994", "995", "996", "997", "998", "999"]);
});

test("of accounts with one each, the one that used none for the longest time gives it up", () => {
  const { keep, kept } = setup(2);
  keep(A, "a");
  keep(B, "b");
  kept(A, "a");
  keep(C, "c");
  expect([kept(A, "a"), kept(B, "b"), kept(C, "c")]).toEqual([["a"], [], ["c"]]);
});

test("what all accounts use keeps up to half, and no more", () => {
  const { keep, kept } = setup(10);
  keep("shared", ...many(5));
  for (const account of [A, B, C]) keep(account, ...many(10));
  expect(kept("shared", ...many(5))).toHaveLength(5);
  keep("shared", ...many(20));
  expect(kept("shared", ...many(20))).toHaveLength(5);
  expect([A, B, C].flatMap((account) => kept(account, ...many(10)))).toHaveLength(5);
});

test("one that is too large for all of the memory is not kept", () => {
  const { keep, kept } = setup(0.5);
  keep(A, "a");
  expect(kept(A, "a")).toEqual([]);
});
