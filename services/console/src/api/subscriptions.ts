import { useQuery } from "@connectrpc/connect-query";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { useSession } from "../session/session-context.tsx";

/** The maximum length of a list to choose from. Any further subscription is shown as `Subscription ID`. */
const LISTED_MAX = 500;
const FRESH_FOR_MS = 60_000;

/** Returns the account's subscriptions, at most 500. Lists to choose from and `targetName` use them. */
export function useSubscriptions(): readonly Subscription[] {
  const { can } = useSession();
  const { data } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { pageSize: LISTED_MAX },
    { staleTime: FRESH_FOR_MS, enabled: can("subscriptions:read") },
  );
  return data?.subscriptions ?? [];
}

/** Returns the account's event types. */
export function useEventTypes() {
  const { data } = useQuery(EventCatalogService.method.listEventTypes, {}, { staleTime: FRESH_FOR_MS });
  return data?.eventTypes ?? [];
}

/** Returns a subscription's target URL without its scheme, or `Subscription ID` if the list lacks it. */
export function targetName(subscriptions: readonly Subscription[], id: number): string {
  const url = subscriptions.find((subscription) => subscription.id === id)?.targetUrl;
  return url === undefined ? `Subscription ${id}` : url.replace(/^https?:\/\//, "");
}
