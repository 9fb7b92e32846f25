import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { afterEach, expect, test, vi } from "vitest";
import { localInput } from "../parts/times.ts";
import {
  addressOf,
  NO_FILTERS,
  parsed,
  rangeOf,
  readBefore,
  readFilters,
  requestOf,
  sinceOf,
} from "./filters.ts";

const FROM = Date.UTC(2026, 10, 28, 8, 30);
const BEFORE = Date.UTC(2026, 10, 28, 9, 45);

afterEach(() => {
  vi.unstubAllEnvs();
});

const queryOf = (address: string) => address.split("?")[1] ?? "";

test("filters survive the way through the address", () => {
  const filters = {
    state: DeliveryState.EXHAUSTED,
    eventType: "invoice_sent",
    subscriptionId: 7,
    since: sinceOf({ from: FROM, before: undefined }),
  };
  const query = queryOf(addressOf(filters, "token"));
  expect(readFilters(query)).toEqual(filters);
  expect(readBefore(query)).toBe("token");
  expect(addressOf(NO_FILTERS)).toBe("/deliveries");
  expect(readFilters("")).toEqual(NO_FILTERS);
});

test("what no filter means is left out", () => {
  expect(readFilters("state=lost&subscription=-1&since=24h")).toEqual({ ...NO_FILTERS, since: "24h" });
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

test("a field shows each year that can be typed into it, so that it does not change on the way", () => {
  vi.stubEnv("TZ", "Europe/Berlin");
  for (const typed of ["0002-11-28T14:00", "0202-03-29T02:30", "2026-11-28T14:00"]) {
    expect(localInput(parsed(typed) ?? 0)).toBe(typed);
  }
});
