import { SubscriptionState } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { newIdempotencyKey, recipientsInWords } from "./recipients.ts";

const { ACTIVE, PAUSED, DISABLED } = SubscriptionState;

test.each([
  [[], "Nobody gets it: no subscription has this event type."],
  [[ACTIVE], "1 subscription gets it now."],
  [[PAUSED, DISABLED], "2 subscriptions get it when resumed."],
  [[ACTIVE, ACTIVE, PAUSED], "2 subscriptions get it now, and 1 subscription gets it when resumed."],
])("the subscriptions %j are told as: %s", (states, words) => {
  expect(
    recipientsInWords(
      states.map((state) => ({ state })),
      false,
    ),
  ).toBe(words);
});

test("a page of many subscriptions is told as more than that", () => {
  const states = Array.from({ length: 500 }, () => ({ state: ACTIVE }));
  expect(recipientsInWords(states, true)).toBe("More than 500 subscriptions get it.");
});

test("each idempotency key is another one", () => {
  const keys = new Set(Array.from({ length: 100 }, newIdempotencyKey));
  expect(keys.size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^console-[0-9a-f]{32}$/);
});
