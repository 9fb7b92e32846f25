import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { afterEach, expect, test, vi } from "vitest";
import { parsed, rangeOf, sinceOf } from "../parts/time-range.ts";
import { localInput } from "../parts/times.ts";
import { addressOf, NO_FILTERS, readBefore, readFilters, requestOf, selectionOf } from "./filters.ts";

const FROM = Date.UTC(2026, 10, 28, 8, 30);
const BEFORE = Date.UTC(2026, 10, 28, 9, 45);

afterEach(() => {
  vi.unstubAllEnvs();
});

const queryOf = (address: string) => address.split("?")[1] ?? "";

test("filters survive the way through the address", () => {
  const filters = {
    ...{ state: DeliveryState.EXHAUSTED, eventType: "invoice_sent", subscriptionId: 7 },
    ...{ outcome: Outcome.TIMEOUT, statuses: "500, 503", attemptsMin: 3, eventId: "evt_1", recoveryId: 9 },
    since: sinceOf({ from: FROM, before: undefined }),
  };
  const query = queryOf(addressOf(filters, "token"));
  expect(readFilters(query)).toEqual(filters);
  expect(readBefore(query)).toBe("token");
  expect(addressOf(NO_FILTERS)).toBe("/deliveries");
  expect(readFilters("")).toEqual(NO_FILTERS);
});

test("what no filter means is left out", () => {
  expect(readFilters("state=lost&subscription=-1&since=24h&attempts=15&outcome=maybe&recovery=1.5")).toEqual({
    ...NO_FILTERS,
    since: "24h",
  });
});

test("a range that was chosen in Kolkata means the same in New York", () => {
  vi.stubEnv("TZ", "Asia/Kolkata");
  const [from, before] = ["2026-11-28T14:00", "2026-11-28T15:15"];
  const address = addressOf({
    ...NO_FILTERS,
    since: sinceOf({ from: parsed(from), before: parsed(before) }),
  });
  vi.stubEnv("TZ", "America/New_York");
  const { since } = readFilters(queryOf(address));
  expect(rangeOf(since)).toEqual({ from: FROM, before: BEFORE });
  expect(localInput(FROM)).toBe("2026-11-28T03:30");
});

test("a range without a zone, as earlier releases wrote it, is in the reader's", () => {
  vi.stubEnv("TZ", "Asia/Kolkata");
  const { since } = readFilters("since=2026-11-28T14%3A00~2026-11-28T15%3A15");
  expect(since).toBe("2026-11-28T08:30:00.000Z~2026-11-28T09:45:00.000Z");
});

test("a range may be open at either end, and drops what is no time", () => {
  expect(rangeOf("~2026-11-28T09:45:00.000Z")).toEqual({ from: undefined, before: BEFORE });
  expect(readFilters("since=nonsense~").since).toBe("~");
  expect(requestOf({ ...NO_FILTERS, since: "~" }, FROM)).not.toHaveProperty("createdFrom");
});

test("a length of time ends now, and a range where it says", () => {
  expect(requestOf({ ...NO_FILTERS, since: "1h" }, BEFORE)).toMatchObject({
    createdFrom: timestampFromMs(BEFORE - 3_600_000),
  });
  expect(requestOf({ ...NO_FILTERS, since: sinceOf({ from: FROM, before: BEFORE }) }, 0)).toMatchObject({
    createdFrom: timestampFromMs(FROM),
    createdBefore: timestampFromMs(BEFORE),
  });
});

test("statuses ask for what is typed once it is complete", () => {
  expect(requestOf({ ...NO_FILTERS, statuses: "500, 503" }, 0).statuses).toEqual([500, 503]);
  expect(requestOf({ ...NO_FILTERS, statuses: "50" }, 0).statuses).toEqual([]);
});

test("what the filters leave can be sent again, if it can be and somebody chose it", () => {
  const failed = { ...NO_FILTERS, state: DeliveryState.EXHAUSTED, since: "1h", statuses: "503" };
  expect(selectionOf(failed, BEFORE)).toMatchObject({
    ...{ states: [DeliveryState.EXHAUSTED], statuses: [503], sinceMs: BEFORE - 3_600_000 },
    untilMs: undefined,
  });
  expect(selectionOf({ ...NO_FILTERS, subscriptionId: 3 }, 0)).toMatchObject({
    ...{ subscriptionId: 3, sinceMs: 0 },
    states: [DeliveryState.STARTED, DeliveryState.EXHAUSTED, DeliveryState.BLOCKED, DeliveryState.CANCELLED],
  });
  expect(selectionOf(NO_FILTERS, 0)).toBeUndefined();
  expect(selectionOf({ ...NO_FILTERS, state: DeliveryState.PARKED }, 0)).toBeUndefined();
  expect(selectionOf({ ...NO_FILTERS, recoveryId: 3 }, 0)).toBeUndefined();
});

test("a field shows each year that can be typed into it, so that it does not change on the way", () => {
  vi.stubEnv("TZ", "Europe/Berlin");
  for (const typed of ["0002-11-28T14:00", "0202-03-29T02:30", "2026-11-28T14:00"]) {
    expect(localInput(parsed(typed) ?? 0)).toBe(typed);
  }
});
