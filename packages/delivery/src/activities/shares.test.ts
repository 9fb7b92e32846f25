import type { AccountId, DeliveryId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createShares, type Shares } from "./shares.ts";

const [A, B, C, D] = [1, 2, 3, 4] as AccountId[] as [AccountId, AccountId, AccountId, AccountId];
const NOW = 1_700_000_000_000;

/** Begins attempts of an account while it has room, at most `wanted`. Returns how many began. */
function begin(shares: Shares, account: AccountId, wanted = Number.POSITIVE_INFINITY): number {
  let begun = 0;
  while (begun < wanted && shares.tryToBegin(idOf(account, next++), account)) begun += 1;
  return begun;
}
let next = 0;
const idOf = (account: AccountId, n: number) => `dlv_${account}_${n}` as DeliveryId;

test("an account that is alone gets everything it may have", () => {
  const shares = createShares(200);
  expect(shares.roomOf(A)).toBe(200);
  expect(begin(shares, A)).toBe(200);
  expect(shares.roomOf(A)).toBe(0);
});

test("a newcomer finds room although another account holds all that it may", () => {
  const shares = createShares(200);
  begin(shares, A);
  expect(begin(shares, B)).toBe(40);
  expect(begin(shares, C)).toBeGreaterThanOrEqual(8);
  expect(begin(shares, D)).toBeGreaterThanOrEqual(1);
  expect(shares.free()).toBeGreaterThanOrEqual(0);
});

test("accounts that want everything end up with equal parts, once earlier attempts have ended", () => {
  const shares = createShares(200);
  const held = new Map<AccountId, DeliveryId[]>([A, B, C].map((id) => [id, []]));
  const fill = (account: AccountId) => {
    for (;;) {
      const id = idOf(account, next++);
      if (!shares.tryToBegin(id, account)) return;
      held.get(account)?.push(id);
    }
  };
  for (let round = 0; round < 2_000; round++) {
    for (const account of [A, B, C]) {
      fill(account);
      const oldest = held.get(account)?.shift();
      if (oldest !== undefined) shares.end(oldest);
    }
  }
  const parts = [...held.values()].map((ids) => ids.length);
  expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(5);
  expect(Math.min(...parts)).toBeGreaterThan(70);
});

test("an account that needs little leaves the rest to the others", () => {
  const shares = createShares(200);
  begin(shares, B, 5);
  expect(begin(shares, A)).toBeGreaterThan(190);
});

test("never are more attempts under way than there are places, and the last place goes to who has none", () => {
  const shares = createShares(4);
  expect(shares.size).toBe(5);
  for (const account of [A, B, C, D]) begin(shares, account);
  const held = shares.size - shares.free();
  expect(held).toBeLessThanOrEqual(5);
  expect(begin(shares, 9 as AccountId)).toBe(shares.size - held > 0 ? 1 : 0);
});

test("a reserved place becomes the attempt's, and is given back once", () => {
  const shares = createShares(1);
  const id = idOf(A, 0);
  shares.reserve(id, A);
  expect(shares.roomOf(A)).toBe(0);
  expect(shares.reservedFor(0)).toEqual([id]);
  expect(shares.tryToBegin(id, A)).toBe(true);
  expect(shares.reservedFor(0)).toEqual([]);
  shares.end(id);
  shares.end(id);
  expect(shares.free()).toBe(shares.size);
  expect(shares.roomOf(A)).toBe(1);
});

test("attempts that find no room are told to come again one after the other", () => {
  const shares = createShares(4);
  begin(shares, A);
  const times = Array.from({ length: 4 }, () => shares.nextRoomAt(A, NOW));
  // Until an attempt has ended, each is assumed to take a second, and the account holds four places.
  expect(times.map((at) => at - NOW)).toEqual([250, 500, 750, 1_000]);
  expect(shares.nextRoomAt(A, NOW + 5_000) - NOW).toBe(5_250);
  expect(shares.nextRoomAt(B, NOW) - NOW).toBe(1_000);
});
