import { expect, test } from "vitest";
import { guestPath } from "./guests.ts";

test("two guests in a row share a URL, and the next one has another", () => {
  expect([0, 1, 2, 3].map(guestPath)).toEqual(["/0", "/0", "/1", "/1"]);
});
