import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { type Delivery, DeliveryService } from "@posthaste/contracts/delivery";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { useWatch } from "../api/use-watch.tsx";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import controls from "../parts/controls.module.css";
import { MINUTE_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { useNow } from "../parts/use-now.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./deliveries-page.module.css";
import { FilterBar } from "./filter-bar.tsx";
import {
  addressOf,
  type Filters,
  NO_FILTERS,
  readBefore,
  readFilters,
  requestOf,
  selectionOf,
} from "./filters.ts";
import { Pages } from "./pages.tsx";

const PAGE_SIZE = 50;
/** At most one refresh in this interval, however many deliveries change. */
const REFRESH_EVERY_MS = 1_000;
/** The polling interval while no stream is open. */
const NOT_LIVE_EVERY_MS = 10_000;
const { listDeliveries } = DeliveryService.method;

export function DeliveriesPage() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const filters = useMemo(() => readFilters(search), [search]);
  const isLive = useLiveList();
  const { can } = useSession();
  const selection = selectionOf(filters, Date.now());
  return (
    <>
      <PageHeader title="Deliveries" about="The delivery of each event to each subscription, newest first.">
        <span className={`${styles.live} ${isLive ? styles.isLive : ""}`}>
          {isLive ? "Live" : "Connecting…"}
        </span>
      </PageHeader>
      <FilterBar
        filters={filters}
        onChange={(next) => navigate(addressOf(next))}
        onType={(next) => navigate(addressOf(next), { replace: true })}
      />
      {selection !== undefined && can("deliveries:write") && (
        <p className={styles.again}>
          {/* A new selection is counted anew. */}
          <SendAgainButton key={search} label="Send all of these again…" selection={selection} isSmall />
        </p>
      )}
      <DeliveryList filters={filters} before={readBefore(search)} isLive={isLive} />
    </>
  );
}

function DeliveryList(props: { filters: Filters; before: string; isLive: boolean }) {
  const { filters, before, isLive } = props;
  // A last hour, say, ends with the current minute, so that the query does not change all the time.
  const now = Math.ceil(useNow(true) / MINUTE_MS) * MINUTE_MS;
  const request = { ...requestOf(filters, now), pageSize: PAGE_SIZE, pageToken: before };
  const { data, error, isPlaceholderData, refetch } = useQuery(listDeliveries, request, {
    placeholderData: keepPreviousData,
    refetchInterval: isLive ? false : NOT_LIVE_EVERY_MS,
  });
  const deliveries = data?.deliveries ?? [];
  const next = data?.nextPageToken ?? "";
  return (
    <>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <Card isFlush>
        {data === undefined && error === null && <Skeleton lines={12} />}
        {data !== undefined && deliveries.length === 0 && next === "" && <NoneFound filters={filters} />}
        {data !== undefined && deliveries.length === 0 && next !== "" && (
          <Empty title="No matches on this page">
            <p>Older deliveries may match. Select Older to continue.</p>
          </Empty>
        )}
        {deliveries.length > 0 && <Rows deliveries={deliveries} isStale={isPlaceholderData} />}
      </Card>
      <Pages filters={filters} before={before} next={isPlaceholderData ? "" : next} />
    </>
  );
}

/** Refreshes the current page soon after any delivery changes. Returns whether a stream is open. */
function useLiveList(): boolean {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onChanges = useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const queryKey = createConnectQueryKey({ schema: listDeliveries, cardinality: "finite" });
      void queries.invalidateQueries({ queryKey });
    }, REFRESH_EVERY_MS);
  }, [queries]);
  return useWatch(onChanges) === "live";
}

function Rows({ deliveries, isStale }: { deliveries: readonly Delivery[]; isStale: boolean }) {
  const subscriptions = useSubscriptions();
  return (
    <table className={`${table.table} ${isStale ? styles.stale : ""}`}>
      <caption className="visually-hidden">Deliveries, newest first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Event type</th>
          <th scope="col" className={table.optional}>
            Target
          </th>
          <th scope="col" className={table.optional}>
            Attempts
          </th>
          <th scope="col" className={table.optional}>
            Last outcome
          </th>
          <th scope="col" className={table.optional}>
            Created
          </th>
        </tr>
      </thead>
      <tbody>
        {deliveries.map((delivery) => (
          <tr key={delivery.id}>
            <td>
              <DeliveryBadge state={delivery.state} attempts={delivery.attempts} />
            </td>
            <td>
              <Link href={`/deliveries/${delivery.id}`} className={table.link}>
                {delivery.eventType}
                <span className="visually-hidden">, delivery {delivery.id}</span>
              </Link>
              {delivery.test && <span className={styles.test}>test</span>}
              <span className={table.below}>
                {answerOf(delivery.lastOutcome, delivery.lastStatus)},{" "}
                <Time at={delivery.createdAt} relative />
              </span>
            </td>
            <td className={`${table.wide} ${table.muted} ${table.optional}`}>
              {targetName(subscriptions, delivery.subscriptionId)}
            </td>
            <td className={table.optional}>{delivery.attempts}</td>
            <td className={`${table.muted} ${table.optional}`}>
              {answerOf(delivery.lastOutcome, delivery.lastStatus)}
            </td>
            <td className={`${table.muted} ${table.optional}`}>
              <Time at={delivery.createdAt} relative />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function NoneFound({ filters }: { filters: Filters }) {
  if (addressOf(filters) !== addressOf(NO_FILTERS)) {
    return (
      <Empty title="No deliveries match">
        <p>Remove a filter or choose a longer time range.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No deliveries yet">
      <p>Posthaste delivers each ingested event to every subscription to its type.</p>
      <Link href="/subscriptions/new" className={`${controls.button} ${controls.primary}`}>
        Create a subscription
      </Link>
    </Empty>
  );
}
