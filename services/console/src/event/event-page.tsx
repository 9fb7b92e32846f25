import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import {
  type Delivery,
  DeliveryService,
  type EventKey,
  type GetEventResponse,
} from "@posthaste/contracts/delivery";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { Link } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { useWatch } from "../api/use-watch.tsx";
import { addressOf, NO_FILTERS } from "../deliveries/filters.ts";
import { eventsAddress } from "../events/event-filters.ts";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, Facts, PageHeader, Skeleton } from "../parts/layout.tsx";
import { whole } from "../parts/numbers.ts";
import table from "../parts/table.module.css";
import { TextBlock } from "../parts/text-block.tsx";
import { Time } from "../parts/time.tsx";
import { SENDABLE, UNDELIVERED } from "../recover/selection.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./event-page.module.css";
import { sumUp, traceIdOf } from "./what-came-of-it.ts";

const { getEvent, listDeliveries } = DeliveryService.method;
/** Deliveries of an event that the page lists; a link leads to the others. */
const SHOWN_MAX = 100;
/** The polling interval, which applies whether or not a stream is open. */
const EVERY_MS = 10_000;

/** Shows an event: its snapshot, who got it, and what came of each delivery. */
export function EventPage({ id }: { id: string }) {
  const { can } = useSession();
  const queries = useQueryClient();
  const event = useQuery(getEvent, { id }, { staleTime: Number.POSITIVE_INFINITY, retry: false });
  const list = useQuery(listDeliveries, { eventId: id, pageSize: SHOWN_MAX }, { refetchInterval: EVERY_MS });
  useWatch(
    useCallback(
      (changes) => {
        if (changes.length > 0 && !changes.some(({ eventId }) => eventId === id)) return;
        const queryKey = createConnectQueryKey({ schema: listDeliveries, cardinality: "finite" });
        void queries.invalidateQueries({ queryKey });
      },
      [id, queries],
    ),
  );
  const deliveries = list.data?.deliveries ?? [];
  const type = event.data?.eventType ?? deliveries[0]?.eventType ?? "Event";
  return (
    <>
      <PageHeader name={`${type} ${id}`} title={type} about={<Copied text={id} what="event ID" />}>
        {can("deliveries:write") && deliveries.length > 0 && (
          <SendAgainButton
            label="Send to all again…"
            selection={{ ...UNDELIVERED, eventId: id, states: SENDABLE }}
          />
        )}
      </PageHeader>
      {event.error !== null && <ErrorNote error={event.error} />}
      {list.error !== null && <ErrorNote error={list.error} onRetry={() => void list.refetch()} />}
      <div className={styles.columns}>
        <Card title={`Deliveries${list.data === undefined ? "" : `: ${sumUp(deliveries)}`}`} isFlush>
          {list.data === undefined && list.error === null && <Skeleton lines={4} />}
          {list.data !== undefined && deliveries.length === 0 && (
            <Empty title="No deliveries">
              <p>No subscription matched this event, or its deliveries are no longer stored.</p>
            </Empty>
          )}
          {deliveries.length > 0 && <Deliveries deliveries={deliveries} />}
          {list.data !== undefined && list.data.nextPageToken !== "" && (
            <p className={styles.more}>
              The newest {whole(SHOWN_MAX)} are shown.{" "}
              <Link href={addressOf({ ...NO_FILTERS, eventId: id })}>All deliveries of this event</Link>
            </p>
          )}
        </Card>
        {event.data !== undefined && (
          <Snapshot event={event.data} traceId={traceIdOf(deliveries[0]?.traceparent ?? "")} />
        )}
      </div>
    </>
  );
}

function Snapshot({ event, traceId }: { event: GetEventResponse; traceId: string | undefined }) {
  return (
    <Card title="Snapshot">
      <div className={styles.columns}>
        <Facts
          facts={[
            [
              "Event type",
              <Link key="type" href={`/event-types/${event.eventType}`}>
                {event.eventType}
              </Link>,
            ],
            ["Accepted", <Time key="at" at={event.createdAt} />],
            ...(event.idempotencyKey === ""
              ? []
              : [
                  [
                    "Idempotency key",
                    <Copied key="key" text={event.idempotencyKey} what="idempotency key" />,
                  ] as const,
                ]),
            ...(traceId === undefined
              ? []
              : [["Trace", <Copied key="trace" text={traceId} what="trace ID" />] as const]),
          ]}
        />
        {event.keys.length > 0 && <Keys keys={event.keys} />}
        <TextBlock
          label="As it was ingested"
          text={event.dataJson}
          download={{ bytes: new TextEncoder().encode(event.dataJson), name: `${event.id}.json` }}
        />
      </div>
    </Card>
  );
}

function Copied({ text, what }: { text: string; what: string }) {
  return (
    <span className={styles.id}>
      <span className="mono">{text}</span>
      <CopyButton text={text} label={`Copy ${what}`} />
    </span>
  );
}

/** The values by which the search finds the event. */
function Keys({ keys }: { keys: readonly EventKey[] }) {
  return (
    <div className={styles.keys}>
      <h3>Keys</h3>
      <dl>
        {keys.map(({ pointer, value, sensitive }) => (
          <div key={pointer}>
            <dt className="mono">{pointer}</dt>
            <dd>
              {sensitive ? (
                <span className={styles.sensitive}>sensitive</span>
              ) : (
                <Link
                  href={eventsAddress({ keyValue: value })}
                  className="mono"
                  title="All events with this value"
                >
                  {value}
                </Link>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Deliveries({ deliveries }: { deliveries: readonly Delivery[] }) {
  const subscriptions = useSubscriptions();
  return (
    <table className={`${table.table} ${table.stacked}`}>
      <caption className="visually-hidden">Deliveries of this event, newest first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Target</th>
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
              <DeliveryBadge delivery={delivery} />
            </td>
            <td className={table.wide}>
              <Link href={`/deliveries/${delivery.id}`} className={table.link}>
                <span className={table.target}>{targetName(subscriptions, delivery.subscriptionId)}</span>
                <span className="visually-hidden">, delivery {delivery.id}</span>
              </Link>
              {delivery.resendOf !== "" && <span className={styles.resend}>sent again</span>}
              <span className={table.below}>
                {answerOf(delivery.lastOutcome, delivery.lastStatus)},{" "}
                <Time at={delivery.createdAt} relative />
              </span>
            </td>
            <td className={table.optional} data-label="Attempts">
              {delivery.attempts}
            </td>
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
