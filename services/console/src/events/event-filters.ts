import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ANY_TIME, readSince, type Since, timesOf } from "../parts/time-range.ts";

/** The filters of the list of events. The page's address holds them. */
export type EventFilters = {
  /** Empty: any. */
  readonly eventType: string;
  /** The value of a key; empty: any. */
  readonly keyValue: string;
  readonly idempotencyKey: string;
  readonly since: Since;
};

export const NO_EVENT_FILTERS: EventFilters = {
  ...{ eventType: "", keyValue: "", idempotencyKey: "", since: ANY_TIME },
};

export function readEventFilters(search: string): EventFilters {
  const params = new URLSearchParams(search);
  return {
    eventType: params.get("type") ?? "",
    keyValue: params.get("key") ?? "",
    idempotencyKey: params.get("idempotency") ?? "",
    since: readSince(params),
  };
}

/** @param before the token of a page after the first */
export function eventsAddress(filters: Partial<EventFilters>, before = ""): string {
  const { eventType = "", keyValue = "", idempotencyKey = "", since = ANY_TIME } = filters;
  const params = new URLSearchParams();
  if (eventType !== "") params.set("type", eventType);
  if (keyValue !== "") params.set("key", keyValue);
  if (idempotencyKey !== "") params.set("idempotency", idempotencyKey);
  if (since !== ANY_TIME) params.set("since", since);
  if (before !== "") params.set("before", before);
  const query = params.toString();
  return query === "" ? "/events" : `/events?${query}`;
}

/** @param now when a length of time ends */
export function eventsRequest({ since, ...filters }: EventFilters, now: number) {
  const { from, before } = timesOf(since, now);
  return {
    ...filters,
    ...(from === undefined ? {} : { createdFrom: timestampFromMs(from) }),
    ...(before === undefined ? {} : { createdBefore: timestampFromMs(before) }),
  };
}
