import type { AccountId, DeliveryId } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
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

describe("attempts that find no room", () => {
  /** The places of one account that is alone. */
  const PLACES = 100;
  let shares: Shares;
  beforeEach(() => {
    vi.useFakeTimers();
    shares = createShares(PLACES);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Runs attempts that each end after this long, one after the other. */
  const runFast = (count: number, tookMs: number) => {
    for (let n = 0; n < count; n++) {
      const id = idOf(A, next++);
      shares.begin(id, A);
      vi.advanceTimersByTime(tookMs);
      shares.end(id);
    }
  };
  /** Lets an account's attempts come again when they are told to, for this long. Returns when each came. */
  const askAgain = (waiting: number, forMs: number) => {
    const due = Array.from({ length: waiting }, () => 0);
    const asks: number[] = [];
    for (let now = 0; now < forMs; now += 50) {
      for (const [n, at] of due.entries()) {
        if (at > NOW + now) continue;
        asks.push(now);
        due[n] = shares.nextRoomAt(A, NOW + now);
      }
      vi.advanceTimersByTime(50);
    }
    return asks;
  };

  test("are told to come again one after the other, after five seconds at the earliest", () => {
    begin(shares, A, 4);
    const times = Array.from({ length: 6 }, () => shares.nextRoomAt(A, NOW));
    // Until an attempt has ended, each is assumed to take a second, and the account holds four places.
    expect(times.map((at) => at - NOW)).toEqual([5_000, 5_250, 5_500, 5_750, 6_000, 6_250]);
    expect(shares.nextRoomAt(A, NOW + 5_000) - NOW).toBe(10_000);
    expect(shares.nextRoomAt(B, NOW) - NOW).toBe(5_000);
  });

  test.each([
    // Each asks at once, and again after 5, 10 and 20 s.
    ["few of them", 20, 4],
    // They wait for each other, too.
    ["many of them", 1_000, 3],
  ])("ask a few times while all attempts of their account hang for half a minute, %s", (_, count, times) => {
    runFast(40, 5);
    begin(shares, A);
    expect(askAgain(count, 30_000).length).toBeLessThanOrEqual(count * times);
  });

  test("ask no oftener in a second than there are places, even if all attempts before were fast", () => {
    runFast(40, 5);
    begin(shares, A);
    const inSecond = new Map<number, number>();
    for (const at of askAgain(1_000, 30_000).filter((at) => at > 0)) {
      const second = Math.floor(at / 1_000);
      inSecond.set(second, (inSecond.get(second) ?? 0) + 1);
    }
    expect(Math.max(...inSecond.values())).toBeLessThanOrEqual(PLACES);
  });

  test.each([1, 20, 1_000])("leave no place empty for more than ten seconds if %i of them wait", (count) => {
    runFast(40, 5);
    begin(shares, A);
    const asks = askAgain(count, 60_000);
    const gaps = asks.map((at, n) => at - (asks[n - 1] ?? 0));
    expect(Math.max(...gaps, 60_000 - (asks.at(-1) ?? 0))).toBeLessThanOrEqual(10_050);
  });

  /**
   * Lets retries of A come at once that take 50 ms each, and again when they are told to.
   *
   * @param hangMs how long the attempts of the others hang that are under way
   * @returns when each began, in milliseconds
   */
  const runRetries = (waiting: number, hangMs: number) => {
    const due = Array.from({ length: waiting }, () => 0);
    const begins: number[] = [];
    let underWay: DeliveryId[] = [];
    for (let now = 0; begins.length < waiting && now < 1_000_000; now += 50) {
      for (const id of underWay) shares.end(id);
      underWay = [];
      if (now === hangMs) for (let n = 0; n < next; n++) for (const id of [B, C, D]) shares.end(idOf(id, n));
      for (const [n, at] of due.entries()) {
        if (at > NOW + now) continue;
        const id = idOf(A, next++);
        if (shares.tryToBegin(id, A)) {
          underWay.push(id);
          begins.push(now);
          due[n] = Number.POSITIVE_INFINITY;
        } else due[n] = shares.nextRoomAt(A, NOW + now);
      }
      vi.advanceTimersByTime(50);
    }
    return begins;
  };

  test.each([
    ["go on hanging", 1_000_000],
    ["hang for a while", 10_000],
  ])("find the few places that others leave as fast as they become free, if those %s", (_, hangMs) => {
    runFast(40, 50);
    for (const account of [B, C, D]) begin(shares, account);
    const places = shares.roomOf(A);
    expect(places).toBeLessThan(5);
    const begins = runRetries(1_000, hangMs);
    expect(begins).toHaveLength(1_000);
    // Half of the time at most, the places stand empty.
    expect(begins.at(-1)).toBeLessThan((2 * 1_000 * 50) / places);
  });

  test("are not sent away for much longer than a minute by attempts that hung", () => {
    begin(shares, A);
    vi.advanceTimersByTime(30_000);
    const times = Array.from({ length: 1_000 }, () => shares.nextRoomAt(A, NOW) - NOW);
    // Without a bound, 300 s: 100 attempts that take 30 s each end 300 ms after each other.
    expect(Math.max(...times)).toBeLessThan(130_000);
  });

  test("ask four times for each attempt that ends at most, if so many wait that they cannot all have a turn", () => {
    runFast(40, 5);
    begin(shares, A);
    vi.advanceTimersByTime(30_000);
    const asks = askAgain(2_000, 300_000).filter((at) => at >= 60_000);
    // They have hung for 30 s and go on, so they would end 300 ms after each other at least.
    expect(asks.length).toBeLessThan((4 * 240_000) / 300);
  });

  test("are told to wait by all attempts of their account, not by the one that takes longest", () => {
    begin(shares, A, 1);
    vi.advanceTimersByTime(30_000);
    begin(shares, A);
    const times = Array.from({ length: 2 * PLACES }, () => shares.nextRoomAt(A, NOW));
    // All but one end within a second, so twice as many find room within two.
    expect(Math.max(...times) - Math.min(...times)).toBeLessThan(2_100);
  });
});
