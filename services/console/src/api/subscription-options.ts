import type { Subscription } from "@posthaste/contracts/subscription";
import type { SearchOption } from "../parts/matching.ts";

/** Returns a URL without its scheme. */
export const withoutScheme = (url: string) => url.replace(/^https?:\/\//, "");

/**
 * Returns the options of a choice of subscriptions. Two with the same URL differ in what is told about them,
 * and in their names once chosen.
 */
export function subscriptionOptions(subscriptions: readonly Subscription[]): SearchOption[] {
  const times = new Map<string, number>();
  for (const { targetUrl } of subscriptions) times.set(targetUrl, (times.get(targetUrl) ?? 0) + 1);
  return subscriptions.map(({ id, targetUrl, description }) => ({
    id: String(id),
    name: withoutScheme(targetUrl) + (times.get(targetUrl) === 1 ? "" : ` (ID ${id})`),
    about: description === "" ? `ID ${id}` : `ID ${id}, ${description}`,
  }));
}
