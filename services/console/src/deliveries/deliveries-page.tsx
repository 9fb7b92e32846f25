import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { type DeliveryChange, DeliveryService } from "@posthaste/contracts/delivery";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link, useLocation, useSearch } from "wouter";
import { useWatch } from "../api/use-watch.tsx";
import controls from "../parts/controls.module.css";
import { MINUTE_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Pages } from "../parts/pages.tsx";
import { useNow } from "../parts/use-now.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./deliveries-page.module.css";
import { DeliveryRows } from "./delivery-rows.tsx";
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
import { newCount, nextShown, showing, withChanges } from "./held-list.ts";
import { useHold } from "./use-hold.ts";

const PAGE_SIZE = 50;
/** At most one refresh in this interval, however many deliveries change. */
const REFRESH_EVERY_MS = 1_000;
/** The polling interval while no stream is open. */
const NOT_LIVE_EVERY_MS = 10_000;
const NO_PAGE = { deliveries: [], nextPageToken: "" };
const { listDeliveries } = DeliveryService.method;

export function DeliveriesPage() {
  const search = useSearch();
  const [, navigate] = useLocation();
  const filters = useMemo(() => readFilters(search), [search]);
  const { can } = useSession();
  const selection = selectionOf(filters, Date.now());
  return (
    <>
      <PageHeader title="Deliveries" about="The delivery of each event to each subscription, newest first." />
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
      <DeliveryList filters={filters} before={readBefore(search)} />
    </>
  );
}

function DeliveryList({ filters, before }: { filters: Filters; before: string }) {
  const top = useRef<HTMLDivElement>(null);
  const { isHeld, pointer, focus } = useHold(top);
  const [shown, setShown] = useState(() => showing({ page: "", deliveries: [], next: "" }));
  const isLive = useLiveList((changes) => {
    if (isHeld) setShown((before) => withChanges(before, changes));
  });
  // A last hour, say, begins with a minute, so that the query does not change all the time.
  const now = Math.floor(useNow(true) / MINUTE_MS) * MINUTE_MS;
  const request = { ...requestOf(filters, now), pageSize: PAGE_SIZE, pageToken: before };
  const { data, error, isPlaceholderData, refetch } = useQuery(listDeliveries, request, {
    placeholderData: keepPreviousData,
    refetchInterval: isLive ? false : NOT_LIVE_EVERY_MS,
  });
  // While another page loads, this one stays.
  const { deliveries, nextPageToken } = data ?? NO_PAGE;
  const latest = { page: addressOf(filters, before), deliveries, next: nextPageToken };
  const current = isPlaceholderData ? shown : nextShown(shown, latest, isHeld);
  // React renders again before the reader sees anything.
  if (current !== shown) setShown(current);
  const { rows, next } = current;
  const isEmpty = data !== undefined && rows.length === 0;
  return (
    <>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <div {...pointer}>
        <ListBar
          isLive={isLive}
          added={newCount(current, PAGE_SIZE)}
          onShow={() => setShown(showing(current.latest))}
        />
        <div ref={top} />
        <div {...focus}>
          <Card isFlush>
            {data === undefined && error === null && <Skeleton lines={12} />}
            {isEmpty && next === "" && <NoneFound filters={filters} />}
            {isEmpty && next !== "" && (
              <Empty title="No matches on this page">
                <p>Older deliveries may match. Select Older to continue.</p>
              </Empty>
            )}
            {rows.length > 0 && <DeliveryRows deliveries={rows} isStale={isPlaceholderData} />}
          </Card>
        </div>
      </div>
      <Pages
        label="Delivery list pages"
        names={{ before: "Newer", first: "Newest", next: "Older" }}
        token={before}
        next={isPlaceholderData ? "" : next}
        addressOf={(token) => addressOf(filters, token)}
      />
    </>
  );
}

/** @param added how many deliveries a held list does not show; empty: none */
function ListBar({ isLive, added, onShow }: { isLive: boolean; added: string; onShow(): void }) {
  const bar = useRef<HTMLDivElement>(null);
  const show = () => {
    onShow();
    window.scrollTo(0, 0);
    // The button goes. The next key starts from here, not from the top of the page.
    bar.current?.focus({ preventScroll: true });
  };
  return (
    <div ref={bar} className={styles.bar} tabIndex={-1}>
      <span className={`${styles.live} ${isLive ? styles.isLive : ""}`}>
        {isLive ? "Live" : "Connecting…"}
      </span>
      {added !== "" && (
        <Button className={`${controls.button} ${controls.small} ${controls.primary}`} onPress={show}>
          {added} new
        </Button>
      )}
    </div>
  );
}

/**
 * Refreshes the current page soon after any delivery changes.
 *
 * @param onChanges called with each change at once
 * @returns whether a stream is open
 */
function useLiveList(onChanges: (changes: readonly DeliveryChange[]) => void): boolean {
  const queries = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const status = useWatch((changes) => {
    onChanges(changes);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const queryKey = createConnectQueryKey({ schema: listDeliveries, cardinality: "finite" });
      void queries.invalidateQueries({ queryKey });
    }, REFRESH_EVERY_MS);
  });
  return status === "live";
}

function NoneFound({ filters }: { filters: Filters }) {
  const { can } = useSession();
  if (addressOf(filters) !== addressOf(NO_FILTERS)) {
    return (
      <Empty title="No deliveries match">
        <p>Remove a filter or choose a longer time range.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No deliveries yet">
      <p>Each event is delivered to every subscription to its type.</p>
      {can("subscriptions:write") && (
        <Link href="/subscriptions/new" className={`${controls.button} ${controls.primary}`}>
          Create a subscription
        </Link>
      )}
    </Empty>
  );
}
