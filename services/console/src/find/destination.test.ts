import { expect, test } from "vitest";
import { destinationOf, searchAddress, searchedText, withText } from "./destination.ts";

const ULID = "01jdq5w8z3n7k2v4x6y8b0c1d2";

test.each([
  [`evt_${ULID}`, { kind: "page", address: `/events/evt_${ULID}` }],
  [` dlv_${ULID.toUpperCase()} `, { kind: "page", address: `/deliveries/dlv_${ULID}` }],
  [`evt_${ULID}x`, { kind: "search", address: `/search?q=evt_${ULID}x` }],
  ["INV-1 & co", { kind: "search", address: "/search?q=INV-1+%26+co" }],
  ["https://a.example/?b=c", { kind: "search", address: "/search?q=https%3A%2F%2Fa.example%2F%3Fb%3Dc" }],
])("a search for %j leads to the right place", (text, destination) => {
  expect(destinationOf(text)).toEqual(destination);
});

test("an address says what it searches for", () => {
  expect(searchedText(new URL(searchAddress("INV-1 & co"), "http://a.example").search)).toBe("INV-1 & co");
  expect(searchedText("")).toBe("");
});

test("a search for nothing leads nowhere", () => {
  expect(destinationOf("  ")).toBeUndefined();
});

test("subscriptions are found by a part of their URL or description", () => {
  const some = [
    { targetUrl: "https://ledger.example/hook", description: "" },
    { targetUrl: "https://other.example/", description: "The Ledger" },
    { targetUrl: "https://third.example/", description: "" },
  ];
  expect(withText(some, "LEDGER")).toEqual(some.slice(0, 2));
});
