import { useQuery } from "@connectrpc/connect-query";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";
import { Button } from "react-aria-components/Button";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { TextField } from "react-aria-components/TextField";
import { useLocation, useSearch } from "wouter";
import { useEventTypes } from "../api/subscriptions.ts";
import { useLiveInterval } from "../api/use-live-interval.ts";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { MINUTE_MS } from "../parts/durations.ts";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Pages } from "../parts/pages.tsx";
import { TimeFilter } from "../parts/time-filter.tsx";
import { useNow } from "../parts/use-now.ts";
import {
  type EventFilters,
  eventsAddress,
  eventsRequest,
  NO_EVENT_FILTERS,
  readEventFilters,
} from "./event-filters.ts";
import { EventRows } from "./event-rows.tsx";
import styles from "./events-page.module.css";

const PAGE_SIZE = 50;
/** How often to look for new events while deliveries change. */
const EVERY_MS = 5_000;
const { listEvents } = DeliveryService.method;

/** Lists events, found by their type, their time, the value of a key or their idempotency key. */
export function EventsPage() {
  const search = useSearch();
  const filters = useMemo(() => readEventFilters(search), [search]);
  const before = new URLSearchParams(search).get("before") ?? "";
  const refetchInterval = useLiveInterval(EVERY_MS);
  // A last hour, say, ends with the current minute, so that the query does not change all the time.
  const now = Math.ceil(useNow(true) / MINUTE_MS) * MINUTE_MS;
  const { data, error, isPlaceholderData, refetch } = useQuery(
    listEvents,
    { ...eventsRequest(filters, now), pageSize: PAGE_SIZE, pageToken: before },
    { placeholderData: keepPreviousData, refetchInterval },
  );
  const events = data?.events ?? [];
  const next = data?.nextPageToken ?? "";
  const isFiltered = eventsAddress(filters) !== eventsAddress(NO_EVENT_FILTERS);
  return (
    <>
      <PageHeader title="Events" about="What was ingested, newest first. A page says who got it." />
      <FilterBar filters={filters} isFiltered={isFiltered} />
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <Card isFlush>
        {data === undefined && error === null && <Skeleton lines={12} />}
        {data !== undefined && events.length === 0 && (
          <Empty title={isFiltered ? "No events match" : "No events yet"}>
            {next !== "" && <p>Older events may match. Select Older to continue.</p>}
            {filters.keyValue !== "" && <p>{ABOUT_KEYS}</p>}
          </Empty>
        )}
        {events.length > 0 && <EventRows events={events} />}
      </Card>
      {(next !== "" || before !== "") && (
        <Pages
          label="Event list pages"
          names={{ before: "Newer", first: "Newest", next: "Older" }}
          token={before}
          next={isPlaceholderData ? "" : next}
          addressOf={(token) => eventsAddress(filters, token)}
        />
      )}
    </>
  );
}

const ABOUT_KEYS =
  "Events are found by the whole value of a key that their event type had when they were ingested.";

function FilterBar({ filters, isFiltered }: { filters: EventFilters; isFiltered: boolean }) {
  const [, navigate] = useLocation();
  const eventTypes = useEventTypes();
  const change = (over: Partial<EventFilters>, isTyped = false) =>
    navigate(eventsAddress({ ...filters, ...over }), { replace: isTyped });
  return (
    <search className={styles.bar} aria-label="Filter events">
      <TextField
        className={controls.field}
        value={filters.keyValue}
        onChange={(keyValue) => change({ keyValue }, true)}
      >
        <Label>Value of a key</Label>
        <Input className={controls.input} placeholder="An invoice number, say" />
      </TextField>
      <Choice
        label="Event type"
        options={[
          { id: "", name: "Any event type" },
          ...eventTypes.map(({ code }) => ({ id: code, name: code })),
        ]}
        value={filters.eventType}
        onChange={(eventType) => change({ eventType })}
      />
      <TimeFilter
        since={filters.since}
        onChange={(since) => change({ since })}
        onType={(since) => change({ since }, true)}
      />
      <TextField
        className={controls.field}
        value={filters.idempotencyKey}
        onChange={(idempotencyKey) => change({ idempotencyKey }, true)}
      >
        <Label>Idempotency key</Label>
        <Input className={controls.input} placeholder="Any" />
      </TextField>
      {isFiltered && (
        <Button className={`${controls.button} ${styles.clear}`} onPress={() => change(NO_EVENT_FILTERS)}>
          Clear filters
        </Button>
      )}
    </search>
  );
}
