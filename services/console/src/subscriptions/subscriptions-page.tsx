import { useQuery } from "@connectrpc/connect-query";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { keepPreviousData } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { Link, useLocation, useSearch } from "wouter";
import { SubscriptionBadge } from "../parts/badge.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Pages } from "../parts/pages.tsx";
import table from "../parts/table.module.css";
import { TargetLink } from "../parts/target-link.tsx";
import { Time } from "../parts/time.tsx";
import { Toggles } from "../parts/toggles.tsx";
import { useSession } from "../session/session-context.tsx";
import { listAddress, readListAddress, type Which } from "./list-address.ts";
import styles from "./subscriptions-page.module.css";

const PAGE_SIZE = 50;
const EVERY_MS = 10_000;
const SHOWN_TYPES_MAX = 2;

export function SubscriptionsPage() {
  const { can } = useSession();
  const search = useSearch();
  const [, navigate] = useLocation();
  const { which, after } = readListAddress(search);
  const { data, error, isPlaceholderData, refetch } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { pageSize: PAGE_SIZE, pageToken: after, failing: which === "failing", includeEnded: which === "ended" },
    { refetchInterval: EVERY_MS, placeholderData: keepPreviousData },
  );
  const next = data?.nextPageToken ?? "";
  return (
    <>
      <PageHeader title="Subscriptions" about="Target URLs, and the event types sent to each.">
        <Toggles
          label="Filter subscriptions"
          options={[
            { id: "all", name: "All" },
            { id: "failing", name: "Failing" },
            { id: "ended", name: "With ended" },
          ]}
          value={which}
          onChange={(chosen) => navigate(listAddress({ which: chosen, after: "" }))}
        />
        {can("subscriptions:write") && (
          <Link href="/subscriptions/new" className={`${controls.button} ${controls.primary}`}>
            <Plus size={16} aria-hidden="true" /> New subscription
          </Link>
        )}
      </PageHeader>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <Card isFlush>
        {data === undefined && error === null && <Skeleton lines={6} />}
        {data !== undefined && data.subscriptions.length === 0 && <None which={which} />}
        {data !== undefined && data.subscriptions.length > 0 && <Rows subscriptions={data.subscriptions} />}
      </Card>
      {(next !== "" || after !== "") && (
        <Pages
          label="Subscription list pages"
          names={{ before: "Older", first: "Oldest", next: "Newer" }}
          token={after}
          next={isPlaceholderData ? "" : next}
          addressOf={(token) => listAddress({ which, after: token })}
        />
      )}
    </>
  );
}

function Rows({ subscriptions }: { subscriptions: readonly Subscription[] }) {
  return (
    <table className={`${table.table} ${table.stacked}`}>
      <caption className="visually-hidden">Subscriptions, oldest first</caption>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Target</th>
          <th scope="col" className={table.optional}>
            Event types
          </th>
          <th scope="col" className={table.optional}>
            Since
          </th>
        </tr>
      </thead>
      <tbody>
        {subscriptions.map((subscription) => (
          <tr key={subscription.id}>
            <td>
              <SubscriptionBadge subscription={subscription} />
            </td>
            <td className={table.wide}>
              <TargetLink subscription={subscription} />
              {subscription.description !== "" && (
                <span className={styles.description}>{subscription.description}</span>
              )}
              {subscription.endedReason !== "" && (
                <span className={styles.description}>{subscription.endedReason}</span>
              )}
            </td>
            <td className={`${table.muted} ${table.optional}`}>
              <span className={table.name}>{typesOf(subscription)}</span>
            </td>
            <td className={`${table.muted} ${table.optional}`}>
              <Time
                at={subscription.endedAt ?? subscription.failingSince ?? subscription.createdAt}
                relative
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function typesOf({ eventTypes }: Subscription): string {
  if (eventTypes.includes("*")) return "all event types";
  const more = eventTypes.length - SHOWN_TYPES_MAX;
  const shown = eventTypes.slice(0, SHOWN_TYPES_MAX).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function None({ which }: { which: Which }) {
  const { can, session } = useSession();
  if (which === "failing") {
    return (
      <Empty title="No failing subscriptions">
        <p>Every receiver accepted its most recent attempt.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No subscriptions yet">
      <p>A subscription sends events of the types you choose to a URL of yours.</p>
      <div className={styles.ways}>
        {can("subscriptions:write") && (
          <Link href="/subscriptions/new" className={`${controls.button} ${controls.primary}`}>
            Create a subscription
          </Link>
        )}
        {session.inboxes && can("subscriptions:write") && (
          <Link href="/inbox" className={controls.button}>
            No receiver yet? Try an inbox
          </Link>
        )}
      </div>
    </Empty>
  );
}
