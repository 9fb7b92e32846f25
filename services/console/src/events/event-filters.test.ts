import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { eventsAddress, eventsRequest, NO_EVENT_FILTERS, readEventFilters } from "./event-filters.ts";

test("filters survive the way through the address, whatever is in them", () => {
  const filters = {
    ...{ eventType: "invoice_sent", keyValue: "INV-1 & co/ü?#", idempotencyKey: "a=b" },
    since: "2026-11-28T08:30:00.000Z~",
  };
  expect(readEventFilters(eventsAddress(filters, "token").split("?")[1] ?? "")).toEqual(filters);
  expect(eventsAddress(NO_EVENT_FILTERS)).toBe("/events");
  expect(readEventFilters("")).toEqual(NO_EVENT_FILTERS);
});

test("a length of time ends now", () => {
  const request = eventsRequest({ ...NO_EVENT_FILTERS, since: "1h" }, 3_600_000);
  expect(request).toMatchObject({ createdFrom: timestampFromMs(0), eventType: "" });
  expect(request).not.toHaveProperty("createdBefore");
});
