import { expect, test } from "vitest";
import { addressOfVersions, readVersions } from "./versions-address.ts";

test("the address holds the versions that are compared", () => {
  const address = addressOfVersions("parcel_sent", { from: 1, to: 3 });
  expect(address).toBe("/event-types/parcel_sent/versions?from=1&to=3");
  expect(readVersions(address.split("?")[1] ?? "", 4)).toEqual({ from: 1, to: 3 });
});

test.each(["", "from=0&to=9", "from=a&to=1.5"])(
  "without such versions (%j), the latest two are compared",
  (search) => {
    expect(readVersions(search, 4)).toEqual({ from: 3, to: 4 });
  },
);
