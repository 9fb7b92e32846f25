import { type AccountId, Refusal, type TokenId } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { createBodyRoom, createPlaces } from "./places.ts";

const by = (accountId: number, tokenId = accountId) => ({
  accountId: accountId as AccountId,
  tokenId: tokenId as TokenId,
});
const placesOf = (ofAll: number, ofAccount: number) =>
  createPlaces({
    what: { one: "request", many: "requests" },
    reason: "REQUESTS_FULL",
    ofAll,
    ofAccount,
    retryAfterMs: 1_000,
  });

/** Takes places until one is refused. */
function takeAll(places: ReturnType<typeof placesOf>, who: ReturnType<typeof by>) {
  const taken: (() => void)[] = [];
  for (;;) {
    try {
      taken.push(places.take(who));
    } catch (error) {
      return { taken, error: error as Refusal };
    }
  }
}

describe("places", () => {
  test("are three quarters of its account's for one token, and the rest for the account's others", () => {
    const places = placesOf(1_000, 400);
    const one = takeAll(places, by(1, 1));
    expect(one.taken).toHaveLength(300);
    expect(one.error).toMatchObject({ code: "too_many", retryAfterMs: 1_000 });
    expect(one.error.message).toBe("this token has 300 requests, its maximum; wait until one of them ends");
    const other = takeAll(places, by(1, 2));
    expect(other.taken).toHaveLength(100);
    expect(other.error.message).toContain("this account has 400 requests, its part of 1000");
    expect([places.taken(), places.accounts()]).toEqual([400, 1]);
    for (const leave of [...one.taken, ...other.taken]) leave();
    expect([places.taken(), places.accounts()]).toEqual([0, 0]);
    expect(takeAll(places, by(1, 1)).taken).toHaveLength(300);
  });

  test("are left for an account that has none, beside three that take all that they may", () => {
    const places = placesOf(100, 400);
    for (let account = 1; account <= 3; account++) takeAll(places, by(account));
    expect(places.taken()).toBeLessThan(100);
    expect(() => places.take(by(99))).not.toThrow();
  });

  test("are counted in words that fit one of them", () => {
    const { error } = takeAll(placesOf(2, 4), by(1));
    expect(error.message).toContain("this account has 1 request, its part of 2");
  });

  test("are refused when all are taken", () => {
    const places = placesOf(1, 4);
    const leave = places.take(by(1));
    expect(() => places.take(by(2))).toThrow("there is 1 request, the maximum");
    leave();
    expect(() => places.take(by(2))).not.toThrow();
  });
});

describe("the room for bodies", () => {
  test("is shared by the bodies of accounts, and given back", () => {
    const room = createBodyRoom(1_000, 1_000);
    const mine = Array.from({ length: 10 }, () => room.begin(1 as AccountId));
    const refused = () => {
      for (const body of mine) body.receive(100);
    };
    expect(refused).toThrow(/^the messages of this account that are under way hold 800 bytes/);
    const other = room.begin(2 as AccountId);
    other.receive(150);
    expect(() => other.receive(100)).toThrow(Refusal);
    for (const body of [...mine, other]) body.end();
    expect(room.held()).toBe(0);
  });

  test("counts nothing that is read after the body's end, as what was still being decompressed", () => {
    const room = createBodyRoom(1_000, 1_000);
    const body = room.begin(1 as AccountId);
    body.receive(100);
    body.end();
    body.receive(200);
    expect(room.held()).toBe(0);
    room.begin(1 as AccountId).receive(1_000);
  });

  test("may be all of one body's", () => {
    const room = createBodyRoom(1_000, 1_000);
    const body = room.begin(1 as AccountId);
    for (let n = 0; n < 10; n++) body.receive(100);
    expect(() => body.receive(1)).toThrow(Refusal);
    body.end();
    expect(room.held()).toBe(0);
  });
});
