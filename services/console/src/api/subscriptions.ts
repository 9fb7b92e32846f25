import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { useEffect, useMemo } from "react";
import { useSession } from "../session/session-context.tsx";
import { withoutScheme } from "./subscription-options.ts";

/** The largest page that the API returns. */
const PAGE_SIZE = 500;
/** The API's default maximum of an account. Any further subscription is shown as `Subscription ID`. */
const LOADED_MAX = 10_000;
const FRESH_FOR_MS = 60_000;

/** Returns the account's subscriptions. Lists to choose from and `targetName` use them. */
export function useSubscriptions(): readonly Subscription[] {
  return useAllSubscriptions({ staleTime: FRESH_FOR_MS }).subscriptions;
}

/**
 * Loads subscriptions page by page, oldest first. They are returned as they come.
 *
 * @returns `isComplete`: there are no others; `isPending`: neither any of them nor an error has come yet
 */
export function useAllSubscriptions(options: {
  readonly failing?: boolean;
  readonly staleTime?: number;
  readonly refetchInterval?: number;
}): { subscriptions: readonly Subscription[]; isComplete: boolean; isPending: boolean } {
  const { failing = false, ...queryOptions } = options;
  const { can } = useSession();
  const query = useInfiniteQuery(
    SubscriptionService.method.listSubscriptions,
    { pageSize: PAGE_SIZE, pageToken: "", failing },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => (nextPageToken === "" ? undefined : nextPageToken),
      enabled: can("subscriptions:read"),
      ...queryOptions,
    },
  );
  const { data, hasNextPage, isFetching, isFetchNextPageError, fetchNextPage, isPending } = query;
  const subscriptions = useMemo(() => data?.pages.flatMap((page) => page.subscriptions) ?? [], [data]);
  const hasMore = hasNextPage && !isFetchNextPageError && subscriptions.length < LOADED_MAX;
  useEffect(() => {
    // Other components may have begun to load the same page.
    if (hasMore && !isFetching) void fetchNextPage({ cancelRefetch: false });
  }, [hasMore, isFetching, fetchNextPage]);
  return { subscriptions, isComplete: data !== undefined && !hasNextPage, isPending };
}

/** Returns the account's event types. */
export function useEventTypes() {
  const { data } = useQuery(EventCatalogService.method.listEventTypes, {}, { staleTime: FRESH_FOR_MS });
  return data?.eventTypes ?? [];
}

/** Returns a subscription's target URL without its scheme, or `Subscription ID` if the list lacks it. */
export function targetName(subscriptions: readonly Subscription[], id: number): string {
  const url = subscriptions.find((subscription) => subscription.id === id)?.targetUrl;
  return url === undefined ? `Subscription ${id}` : withoutScheme(url);
}
