import { expect, test } from "vitest";
import { createFairQueue } from "./fair-queue.ts";
import type { AccountId } from "./vocabulary.ts";

const [A, B, C] = [1, 2, 3] as AccountId[] as [AccountId, AccountId, AccountId];
const drained = <T>(next: () => T | undefined): T[] => {
  const entries: T[] = [];
  for (let entry = next(); entry !== undefined; entry = next()) entries.push(entry);
  return entries;
};

test("accounts take turns, and each account's entries keep their order", () => {
  const queue = createFairQueue<string>({ max: 10 });
  for (const entry of ["a1", "a2", "a3"]) queue.add(A, entry);
  queue.add(B, "b1");
  for (const entry of ["c1", "c2"]) queue.add(C, entry);
  expect(drained(queue.next)).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
  expect(queue.size()).toBe(0);
});

test("a full queue drops the newest entry of the account with the most, whoever comes", () => {
  const queue = createFairQueue<string>({ max: 3 });
  const dropped = ["a1", "a2", "a3", "a4"].map((entry) => queue.add(A, entry));
  expect([...dropped, queue.add(B, "b1")]).toEqual([undefined, undefined, undefined, "a4", "a3"]);
  expect(queue.size()).toBe(3);
  expect(drained(queue.next)).toEqual(["a1", "b1", "a2"]);
});

test("an entry that is removed is passed over, and a queue without entries is empty", () => {
  const queue = createFairQueue<string>();
  for (const entry of ["a1", "a2"]) queue.add(A, entry);
  queue.add(B, "b1");
  queue.remove(A, "a1");
  queue.remove(B, "b1");
  queue.remove(B, "b1");
  expect([queue.size(), queue.sizeOf(A), queue.sizeOf(B)]).toEqual([1, 1, 0]);
  expect(drained(queue.next)).toEqual(["a2"]);
});

test("an account that may not go keeps its entries and its turn, and others go before it", () => {
  const queue = createFairQueue<string>();
  for (const entry of ["a1", "a2"]) queue.add(A, entry);
  for (const entry of ["b1", "b2"]) queue.add(B, entry);
  expect(queue.next((accountId) => accountId !== A)).toBe("b1");
  expect([queue.sizeOf(A), queue.sizeOf(B), queue.sizeOf(C), queue.size()]).toEqual([2, 1, 0, 3]);
  expect(queue.next(() => false)).toBeUndefined();
  expect(drained(queue.next)).toEqual(["a1", "b2", "a2"]);
});

test("of the accounts that owe something, the one that owes least goes first", () => {
  const queue = createFairQueue<string>();
  for (const [accountId, entry] of [
    [A, "a1"],
    [A, "a2"],
    [B, "b1"],
    [C, "c1"],
  ] as const)
    queue.add(accountId, entry);
  const debts = new Map([
    [A, 2],
    [B, 1],
    [C, 2],
  ]);
  const next = () =>
    queue.next(
      () => true,
      (accountId) => debts.get(accountId) ?? 0,
    );
  expect(drained(next)).toEqual(["b1", "a1", "c1", "a2"]);
});
