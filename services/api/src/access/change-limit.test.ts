import { type AccountId, DAY_MS, type Scope, type TokenId } from "@posthaste/domain";
import { expect, test } from "vitest";
import { createChangeLimit } from "./change-limit.ts";

const MB = 1_000_000;

function setup() {
  let nowMs = 0;
  const limit = createChangeLimit(100, () => nowMs);
  const token = (tokenId: number, scopes: readonly Scope[] = ["subscriptions:write"]) => ({
    accountId: 1 as AccountId,
    tokenId: tokenId as TokenId,
    scopes,
  });
  return {
    token,
    pass: (days: number) => {
      nowMs += days * DAY_MS;
    },
    /** Stores something of a megabyte as often as it may. Returns how often, and what it is refused with. */
    fill: (who: ReturnType<typeof token>) => {
      for (let made = 0; made < 1_000; made++) {
        try {
          limit(who, { bytes: MB, stops: false });
        } catch (error) {
          return { made, error };
        }
      }
      return { made: 1_000, error: undefined };
    },
    stop: (who: ReturnType<typeof token>) => limit(who, { bytes: MB, stops: true }),
  };
}

test("a token may use three quarters of its account's part, and the account's others the rest", () => {
  const { token, fill } = setup();
  const one = fill(token(1));
  expect(one).toMatchObject({ made: 75, error: { code: "too_many", reason: "CHANGES_FULL" } });
  expect(one.error).toMatchObject({ metadata: { holder: "token", limit: "75" } });
  const other = fill(token(2));
  expect(other).toMatchObject({ made: 25, error: { metadata: { holder: "account", limit: "100" } } });
});

test("a token that takes all that it may, whenever it may, leaves a quarter to the account's others", () => {
  const { token, pass, fill } = setup();
  let [made, others] = [0, 0];
  for (let tenths = 0; tenths < 100; tenths++) {
    made += fill(token(1)).made;
    others += fill(token(2)).made;
    pass(0.1);
  }
  // What fits at once, and ten days' worth.
  expect(made).toBeLessThanOrEqual(75 + 750);
  expect(made).toBeGreaterThan(750);
  expect(others).toBeGreaterThan(250);
});

test("who has stored nothing for long may not store more than in a day", () => {
  const { token, pass, fill } = setup();
  fill(token(1));
  pass(30);
  expect(fill(token(1)).made).toBe(75);
});

test("whoever is refused waits until there is room for a change, and not for a day", () => {
  const { token, fill, pass } = setup();
  fill(token(1));
  expect(fill(token(1)).error).toMatchObject({ retryAfterMs: 1_000 });
  pass(1 / 75);
  expect(fill(token(1)).made).toBe(1);
});

test("what only stops something is never refused, but counts for its token", () => {
  const { token, fill, stop, pass } = setup();
  fill(token(1));
  for (let n = 0; n < 500; n++) stop(token(1));
  expect(fill(token(1)).error).toMatchObject({ retryAfterMs: DAY_MS });
  expect(fill(token(2)).made).toBe(25);
  pass(1.01);
  expect(fill(token(1)).made).toBeGreaterThan(0);
});

test("a token with the scope admin is not limited", () => {
  const { token, fill } = setup();
  expect(fill(token(1, ["admin"]))).toEqual({ made: 1_000, error: undefined });
});
