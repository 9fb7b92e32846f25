import { expect, test } from "vitest";
import { deniedWords, type NeededScope } from "./denied-words.ts";

const titleFor = (scope: NeededScope, scopes: readonly string[], isPortal = false) =>
  deniedWords(scope, { can: (one) => scopes.includes(one), isPortal }).title;

test("says what a token may do, and what not", () => {
  expect(titleFor("subscriptions:write", ["subscriptions:read"])).toBe(
    "Your token may read subscriptions, but not change them",
  );
  expect(titleFor("deliveries:write", ["deliveries:read"])).toBe(
    "Your token may read deliveries, but not send, retry or cancel them",
  );
  expect(titleFor("subscriptions:write", [])).toBe("Your token may not change subscriptions");
  expect(titleFor("deliveries:read", [])).toBe("Your token may not read deliveries");
  expect(titleFor("catalog:write", [])).toBe("Your token may read event types, but not change them");
});

test("tells a customer without naming a token or a scope", () => {
  const words = deniedWords("subscriptions:write", { can: () => true, isPortal: true });
  expect(words).toEqual({
    title: "You may see subscriptions, but not change them",
    text: "Ask the platform that you came from if you need to.",
  });
});
