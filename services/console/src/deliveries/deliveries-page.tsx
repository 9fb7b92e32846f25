import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { type Delivery, DeliveryService } from "@posthaste/contracts/delivery";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link, useLocation, useSearch } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { useWatch } from "../api/use-watch.ts";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import styles from "./deliveries-page.module.css";
import { FilterBar } from "./filter-bar.tsx";
import { type Filters, readFilters, requestOf, writeFilters } from "./filters.ts";

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
  const change = (next: Filters) => {
    const query = writeFilters(next);
    navigate(query === "" ? "/deliveries" : `/deliveries?${query}`, { replace: true });
  };
  return (
    <>
      <PageHeader title="Deliveries" about="The delivery of each event to each subscription, newest first.">
        <span className={`${styles.live} ${isLive ? styles.isLive : ""}`}>
          {isLive ? "Live" : "Connecting…"}
        </span>
      </PageHeader>
      <FilterBar filters={filters} onChange={change} />
      {/* The key resets the page number when the filters change. */}
      <DeliveryList key={search} filters={filters} isLive={isLive} />
    </>
  );
}

function DeliveryList({ filters, isLive }: { filters: Filters; isLive: boolean }) {
  // The page tokens up to the current page. The first page's token is empty.
  const [tokens, setTokens] = useState<readonly string[]>([""]);
  const [openedAt] = useState(Date.now);
  const request = { ...requestOf(filters, openedAt), pageSize: PAGE_SIZE, pageToken: tokens.at(-1) ?? "" };
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
      <nav className={styles.pages} aria-label="Delivery list pages">
        <Button
          className={`${controls.button} ${controls.small}`}
          isDisabled={tokens.length === 1}
          onPress={() => setTokens(tokens.slice(0, -1))}
        >
          <ChevronLeft size={15} aria-hidden="true" /> Newer
        </Button>
        <span>Page {tokens.length}</span>
        <Button
          className={`${controls.button} ${controls.small}`}
          isDisabled={next === "" || isPlaceholderData}
          onPress={() => setTokens([...tokens, next])}
        >
          Older <ChevronRight size={15} aria-hidden="true" />
        </Button>
      </nav>
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
  return useWatch(onChanges);
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
  if (writeFilters(filters) !== "") {
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
