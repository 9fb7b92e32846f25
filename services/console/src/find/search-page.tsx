import { useQuery } from "@connectrpc/connect-query";
import { DeliveryService } from "@posthaste/contracts/delivery";
import type { Subscription } from "@posthaste/contracts/subscription";
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
import { searchedText, withText } from "./destination.ts";
import styles from "./search-page.module.css";

const EVENTS_SHOWN_MAX = 20;
const SUBSCRIPTIONS_SHOWN_MAX = 20;
/** The API's bounds: nothing longer is a key's value or an idempotency key. */
const KEY_VALUE_BYTES_MAX = 256;
const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** What a search found of one kind. */
type Part = {
  readonly name: string;
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly aside?: React.ReactNode;
  /** Undefined: nothing was found. */
  readonly rows: React.ReactNode | undefined;
};

/** Shows what a text is: the value of an event's key, an idempotency key, or a part of a target URL. */
export function SearchPage() {
  const text = searchedText(useSearch());
  return (
    <>
      <PageHeader
        title="Search"
        name={text === "" ? "Search" : `Search for ${text}`}
        about={text === "" ? undefined : `Results for “${text}”`}
      />
      {text === "" ? <Nothing title="Nothing to search for" /> : <Found text={text} />}
    </>
  );
}

function Found({ text }: { text: string }) {
  const parts = [...useFoundEvents(text), useFoundSubscriptions(text)];
  const isLoading = parts.some((part) => part.isLoading);
  const shown = parts.filter(({ error, rows }) => error !== null || rows !== undefined);
  if (shown.length === 0 && !isLoading) return <Nothing title={`Nothing was found for “${text}”`} />;
  return (
    <div className={styles.stack}>
      {shown.map(({ name, error, aside, rows }) => (
        <Card key={name} title={name} isFlush aside={aside}>
          {error !== null && <ErrorNote error={error} />}
          {rows}
        </Card>
      ))}
      {isLoading && (
        <Card isFlush>
          <Skeleton lines={2} />
        </Card>
      )}
    </div>
  );
}

/** Says for what one can search. */
function Nothing({ title }: { title: string }) {
  return (
    <Empty title={title}>
      <p>
        Search for the ID of an event or a delivery, a value of an event, an idempotency key, or a part of a
        subscription's URL or description. A value is found whole, as the event has it, perhaps without a
        prefix that is printed: 1042, not INV-1042.
      </p>
    </Empty>
  );
}

function useFoundEvents(text: string): Part[] {
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
  const rowsOf = ({ data }: typeof byKey) =>
    data === undefined || data.events.length === 0 ? undefined : <EventRows events={data.events} />;
  const all = byKey.data?.nextPageToken ? (
    <Link href={eventsAddress({ keyValue: text })}>All of them</Link>
  ) : undefined;
  return [
    { name: "Events with this value", ...stateOf(byKey), aside: all, rows: rowsOf(byKey) },
    {
      name: "The event with this idempotency key",
      ...stateOf(byIdempotencyKey),
      rows: rowsOf(byIdempotencyKey),
    },
  ];
}

const stateOf = ({ isLoading, error }: { isLoading: boolean; error: Error | null }) => ({ isLoading, error });

function useFoundSubscriptions(text: string): Part {
  const { can } = useSession();
  const { subscriptions, isComplete } = useAllSubscriptions({});
  const found = withText(subscriptions, text);
  const shown = found.slice(0, SUBSCRIPTIONS_SHOWN_MAX);
  return {
    name: "Subscriptions to such a URL",
    isLoading: can("subscriptions:read") && !isComplete && found.length === 0,
    error: null,
    aside: shown.length < found.length && (
      <span>{`${whole(shown.length)} of ${whole(found.length)} are shown`}</span>
    ),
    rows: shown.length === 0 ? undefined : <SubscriptionRows subscriptions={shown} />,
  };
}

function SubscriptionRows({ subscriptions }: { subscriptions: readonly Subscription[] }) {
  return (
    <table className={`${table.table} ${table.stacked}`}>
      <tbody>
        {subscriptions.map((subscription) => (
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
  );
}
