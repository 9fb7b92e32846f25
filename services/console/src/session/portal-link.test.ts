import { expect, test } from "vitest";
import { linkIn, readPortalLink } from "./portal-link.ts";

const ORIGIN = "https://hooks.example";
const placeOf = (path: string) => readPortalLink(`#phl_a&path=${encodeURIComponent(path)}`, ORIGIN).place;

test("a link opens the first page, or the one that it names", () => {
  expect(readPortalLink("#phl_a", ORIGIN)).toEqual({ code: "phl_a", place: "/" });
  expect(readPortalLink("#phl_a&path=/deliveries", ORIGIN)).toEqual({ code: "phl_a", place: "/deliveries" });
  expect(placeOf("/deliveries?state=exhausted&since=1h")).toBe("/deliveries?state=exhausted&since=1h");
  expect(readPortalLink("", ORIGIN)).toEqual({ code: "", place: "/" });
});

test.each([
  "https://evil.example/deliveries",
  "//evil.example",
  "/\\evil.example",
  "/\t/evil.example",
  "//",
  "javascript:alert(1)",
  "deliveries",
  "/portal",
  "/portal?theme=dark",
  "",
])("a link leads nowhere but to the console's pages: %j", (path) => {
  expect(placeOf(path)).toBe("/");
});

test("a host's message holds a link as it was created, and no other message does", () => {
  const link = { code: "phl_a", place: "/" };
  const messages = (path: unknown) => linkIn({ type: "posthaste:open", path }, ORIGIN);
  expect(messages("/portal#phl_a")).toEqual(link);
  expect(messages("/portal?theme=dark#phl_a")).toEqual(link);
  expect(messages(`${ORIGIN}/portal#phl_a`)).toEqual(link);
  for (const path of ["/deliveries#phl_a", "//", undefined, 7]) expect(messages(path)).toBeUndefined();
  for (const other of [undefined, null, "posthaste:open", { type: "other", path: "/portal#phl_a" }]) {
    expect(linkIn(other, ORIGIN)).toBeUndefined();
  }
});
