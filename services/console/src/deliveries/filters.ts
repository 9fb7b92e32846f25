import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeliveryState } from "@posthaste/contracts/delivery";

/** What a reader looks for, as the page's address holds it: it can be sent to a colleague. */
export type Filters = {
  readonly state: DeliveryState;
  readonly eventType: string;
  readonly subscriptionId: number;
  /** How far back, by its name; empty: all. */
  readonly since: Since;
};

export const SINCES = [
  { id: "all", name: "Any time" },
  { id: "15m", name: "Last 15 minutes" },
  { id: "1h", name: "Last hour" },
  { id: "24h", name: "Last 24 hours" },
  { id: "7d", name: "Last 7 days" },
  { id: "range", name: "Between two times" },
] as const;
/** One of these, or two times: see `timesOf`. */
export type Since = string;

const LENGTHS_MS: Readonly<Record<string, number>> = {
  "15m": 900_000,
  "1h": 3_600_000,
  "24h": 86_400_000,
  "7d": 7 * 86_400_000,
};

const STATES = Object.values(DeliveryState).filter(
  (state): state is DeliveryState => typeof state === "number",
);

export function readFilters(search: string): Filters {
  const params = new URLSearchParams(search);
  const state = params.get("state")?.toUpperCase() ?? "";
  const subscriptionId = Number(params.get("subscription") ?? 0);
  return {
    state: STATES.find((one) => DeliveryState[one] === state) ?? DeliveryState.UNSPECIFIED,
    eventType: params.get("type") ?? "",
    subscriptionId: Number.isInteger(subscriptionId) && subscriptionId > 0 ? subscriptionId : 0,
    since: params.get("since") ?? "all",
  };
}

export function writeFilters({ state, eventType, subscriptionId, since }: Filters): string {
  const params = new URLSearchParams();
  if (state !== DeliveryState.UNSPECIFIED) params.set("state", DeliveryState[state].toLowerCase());
  if (eventType !== "") params.set("type", eventType);
  if (subscriptionId !== 0) params.set("subscription", String(subscriptionId));
  if (since !== "all") params.set("since", since);
  return params.toString();
}

/** The times that a `since` stands for: a length that ends now, or two times with `~` between them. */
export function timesOf(since: Since, now: number): { from?: number; before?: number } {
  const length = LENGTHS_MS[since];
  if (length !== undefined) return { from: now - length };
  const [from = "", before = ""] = since.split("~");
  return {
    ...(Number.isNaN(Date.parse(from)) ? {} : { from: Date.parse(from) }),
    ...(Number.isNaN(Date.parse(before)) ? {} : { before: Date.parse(before) }),
  };
}

export function requestOf(filters: Filters, now: number) {
  const { from, before } = timesOf(filters.since, now);
  return {
    state: filters.state,
    eventType: filters.eventType,
    subscriptionId: filters.subscriptionId,
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}
