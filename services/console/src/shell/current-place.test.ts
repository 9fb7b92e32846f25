import { expect, test } from "vitest";
import { currentPlace } from "./current-place.ts";

const PATHS = ["/", "/events", "/event-types", "/operator", "/operator/accounts", "/operator/audit"];

test.each([
  ["/", "/"],
  ["/events/evt_1", "/events"],
  ["/event-types/invoice_sent/edit", "/event-types"],
  ["/operator", "/operator"],
  ["/operator/accounts", "/operator/accounts"],
  ["/operator/accounts/7", "/operator/accounts"],
  ["/operator/audit", "/operator/audit"],
])("of the places, %s belongs to %s alone", (location, place) => {
  expect(currentPlace(PATHS, location)).toBe(place);
});

test("a page that is under no place belongs to none", () => {
  expect(currentPlace(PATHS, "/search")).toBeUndefined();
});
