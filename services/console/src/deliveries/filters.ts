import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { DAY_MS, HOUR_MS } from "../parts/durations.ts";

/** The filters of the delivery list. The page's URL holds them, so that a reader can share the list. */
export type Filters = {
  readonly state: DeliveryState;
  readonly eventType: string;
  readonly subscriptionId: number;
  /** The time range. `all`: no limit. */
  readonly since: Since;
};

export const NO_FILTERS: Filters = {
  state: DeliveryState.UNSPECIFIED,
  eventType: "",
  subscriptionId: 0,
  since: "all",
};

export const SINCES = [
  { id: "all", name: "Any time" },
  { id: "15m", name: "Last 15 minutes" },
  { id: "1h", name: "Last hour" },
  { id: "24h", name: "Last 24 hours" },
  { id: "7d", name: "Last 7 days" },
  { id: "range", name: "Custom range" },
] as const;
/** An id of `SINCES` except `range`, or a range: see `sinceOf`. */
export type Since = string;
/** In epoch milliseconds. Undefined: no limit. */
export type Range = { readonly from: number | undefined; readonly before: number | undefined };

const LENGTHS_MS: Readonly<Record<string, number>> = {
  "15m": 900_000,
  "1h": HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
};
const BETWEEN = "~";

const STATES = Object.values(DeliveryState).filter(
  (state): state is DeliveryState => typeof state === "number",
);

export function readFilters(search: string): Filters {
  const params = new URLSearchParams(search);
  const state = params.get("state")?.toUpperCase() ?? "";
  const subscriptionId = Number(params.get("subscription") ?? 0);
  const since = params.get("since") ?? "all";
  const range = rangeOf(since);
  return {
    state: STATES.find((value) => DeliveryState[value] === state) ?? DeliveryState.UNSPECIFIED,
    eventType: params.get("type") ?? "",
    subscriptionId: Number.isInteger(subscriptionId) && subscriptionId > 0 ? subscriptionId : 0,
    since: range === undefined ? since : sinceOf(range),
  };
}

/** @param before the token of a page after the first */
export function addressOf({ state, eventType, subscriptionId, since }: Filters, before = ""): string {
  const params = new URLSearchParams();
  if (state !== DeliveryState.UNSPECIFIED) params.set("state", DeliveryState[state].toLowerCase());
  if (eventType !== "") params.set("type", eventType);
  if (subscriptionId !== 0) params.set("subscription", String(subscriptionId));
  if (since !== "all") params.set("since", since);
  if (before !== "") params.set("before", before);
  const query = params.toString();
  return query === "" ? "/deliveries" : `/deliveries?${query}`;
}

/** Returns the token of the page, which is empty for the first page. */
export function readBefore(search: string): string {
  return new URLSearchParams(search).get("before") ?? "";
}

/** Writes a range as two instants in UTC, so that it means the same in every time zone. */
export function sinceOf({ from, before }: Range): Since {
  return [from, before].map((at) => (at === undefined ? "" : new Date(at).toISOString())).join(BETWEEN);
}

/**
 * Reads a range. A time without a zone is in the reader's: earlier releases wrote such.
 *
 * @returns undefined: `since` is no range
 */
export function rangeOf(since: Since): Range | undefined {
  if (!since.includes(BETWEEN)) return undefined;
  const [from = "", before = ""] = since.split(BETWEEN);
  return { from: parsed(from), before: parsed(before) };
}

/** Reads an instant, or the value of a `datetime-local` field in the reader's zone. Undefined: it is none. */
export function parsed(text: string): number | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** @param now when a length of time ends */
export function requestOf({ state, eventType, subscriptionId, since }: Filters, now: number) {
  const length = LENGTHS_MS[since];
  const { from, before } = length === undefined ? (rangeOf(since) ?? {}) : { from: now - length };
  return {
    state,
    eventType,
    subscriptionId,
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}
