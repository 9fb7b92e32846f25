import { expect, test } from "vitest";
import { readFilters } from "../deliveries/filters.ts";
import { barAddress } from "./bar-address.ts";

const FROM = Date.UTC(2026, 4, 4, 12);

test("a bar leads to the deliveries that were created in its time", () => {
  const address = barAddress({ lengthMs: 3_600_000, subscriptionId: 7 }, FROM);
  expect(readFilters(address.split("?")[1] ?? "")).toMatchObject({
    since: "2026-05-04T12:00:00.000Z~2026-05-04T13:00:00.000Z",
    subscriptionId: 7,
  });
  expect(barAddress({ lengthMs: 60_000 }, FROM)).not.toContain("subscription");
});
