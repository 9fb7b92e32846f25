import { addressOf, NO_FILTERS } from "../deliveries/filters.ts";
import { sinceOf } from "../parts/time-range.ts";

/** What a chart's bars lead to. */
export type BarTarget = {
  /** The length of a bar's time. */
  readonly lengthMs: number;
  /** Default: the deliveries of all subscriptions. */
  readonly subscriptionId?: number;
};

/** Returns the address of the deliveries that were created in a bar's time. */
export function barAddress({ lengthMs, subscriptionId = 0 }: BarTarget, from: number): string {
  return addressOf({ ...NO_FILTERS, subscriptionId, since: sinceOf({ from, before: from + lengthMs }) });
}
