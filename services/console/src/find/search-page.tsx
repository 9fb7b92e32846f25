import { useQuery } from "@connectrpc/connect-query";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { Link, useSearch } from "wouter";
import { useAllSubscriptions } from "../api/subscriptions.ts";
import { eventsAddress } from "../events/event-filters.ts";
import { EventRows } from "../events/event-rows.tsx";
import { SubscriptionBadge } from "../parts/badge.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { whole } from "../parts/numbers.ts";
import table from "../parts/table.module.css";
import { TargetLink } from "../parts/target-link.tsx";
import { useSession } from "../session/session-context.tsx";
import { withText } from "./destination.ts";
import styles from "./search-page.module.css";

const EVENTS_SHOWN_MAX = 20;
const SUBSCRIPTIONS_SHOWN_MAX = 20;
/** The API's bounds: nothing longer is a key's value or an idempotency key. */
const KEY_VALUE_BYTES_MAX = 256;
const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** Shows what a text is: the value of an event's key, an idempotency key, or a part of a target URL. */
export function SearchPage() {
  const text = (new URLSearchParams(useSearch()).get("q") ?? "").trim();
  return (
    <>
      <PageHeader title="Search" name={`Search for ${text}`} about={`What “${text}” is.`} />
      {text === "" ? (
        <Empty title="Nothing to search for">
          <p>Search for an ID, a value of an event, an idempotency key, or a part of a target URL.</p>
        </Empty>
      ) : (
        <div className={styles.stack}>
          <Events text={text} />
          <Subscriptions text={text} />
        </div>
      )}
    </>
  );
}

const ABOUT_VALUES =
  "A value is found whole, as the event has it, perhaps without a prefix that is printed: 1042, not INV-1042.";

function Events({ text }: { text: string }) {
  const { can } = useSession();
  const options = { enabled: can("deliveries:read"), retry: false };
  const byKey = useQuery(
    DeliveryService.method.listEvents,
    { keyValue: text, pageSize: EVENTS_SHOWN_MAX },
    { ...options, enabled: options.enabled && new TextEncoder().encode(text).length <= KEY_VALUE_BYTES_MAX },
  );
  const byIdempotencyKey = useQuery(
    DeliveryService.method.listEvents,
    { idempotencyKey: text },
    { ...options, enabled: options.enabled && text.length <= IDEMPOTENCY_KEY_CHARS_MAX },
  );
  const parts = [
    { name: "Events with this value", ...byKey, more: eventsAddress({ keyValue: text }) },
    { name: "The event with this idempotency key", ...byIdempotencyKey, more: undefined },
  ];
  return parts.map(({ name, data, error, isLoading, more }) => (
    <Card
      key={name}
      title={name}
      isFlush
      aside={more !== undefined && data?.nextPageToken ? <Link href={more}>All of them</Link> : undefined}
    >
      {error !== null && <ErrorNote error={error} />}
      {isLoading && <Skeleton lines={2} />}
      {!isLoading && error === null && !data?.events.length && (
        <Empty title="None">{more !== undefined && <p>{ABOUT_VALUES}</p>}</Empty>
      )}
      {data !== undefined && data.events.length > 0 && <EventRows events={data.events} />}
    </Card>
  ));
}

function Subscriptions({ text }: { text: string }) {
  const { can } = useSession();
  const { subscriptions, isComplete } = useAllSubscriptions({});
  if (!can("subscriptions:read")) return null;
  const found = withText(subscriptions, text);
  const shown = found.slice(0, SUBSCRIPTIONS_SHOWN_MAX);
  return (
    <Card
      title="Subscriptions to such a URL"
      isFlush
      aside={
        shown.length < found.length && (
          <span>{`${whole(shown.length)} of ${whole(found.length)} are shown`}</span>
        )
      }
    >
      {!isComplete && found.length === 0 && <Skeleton lines={2} />}
      {isComplete && found.length === 0 && <Empty title="None" />}
      {shown.length > 0 && (
        <table className={`${table.table} ${table.stacked}`}>
          <tbody>
            {shown.map((subscription) => (
              <tr key={subscription.id}>
                <td>
                  <SubscriptionBadge subscription={subscription} />
                </td>
                <td className={table.wide}>
                  <TargetLink subscription={subscription} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
