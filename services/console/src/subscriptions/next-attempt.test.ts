import { SubscriptionState } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { insteadOfNext } from "./next-attempt.ts";

test("only an active subscription has a time for its next attempt", () => {
  expect(insteadOfNext(SubscriptionState.ACTIVE)).toBeUndefined();
  expect(insteadOfNext(SubscriptionState.PAUSED)).toBe("when resumed");
  expect(insteadOfNext(SubscriptionState.DISABLED)).toBe("when resumed");
  expect(insteadOfNext(SubscriptionState.ENDED)).toBe("none");
});
