import { useQuery } from "@connectrpc/connect-query";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { useSession } from "../session/session-context.tsx";

/** As many as a list to choose from can be; accounts with more name a subscription by its address. */
const CHOSEN_FROM_MAX = 500;
const FRESH_FOR_MS = 60_000;

/** The account's subscriptions, to name them by their targets and to choose from. */
export function useSubscriptions(): readonly Subscription[] {
  const { can } = useSession();
  const { data } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { pageSize: CHOSEN_FROM_MAX },
    { staleTime: FRESH_FOR_MS, enabled: can("subscriptions:read") },
  );
  return data?.subscriptions ?? [];
}

/** The account's event types. */
export function useEventTypes() {
  const { data } = useQuery(EventCatalogService.method.listEventTypes, {}, { staleTime: FRESH_FOR_MS });
  return data?.eventTypes ?? [];
}

/** A subscription's target, short enough for a table. */
export function targetName(subscriptions: readonly Subscription[], id: number): string {
  const url = subscriptions.find((one) => one.id === id)?.targetUrl;
  return url === undefined ? `Subscription ${id}` : url.replace(/^https?:\/\//, "");
}
