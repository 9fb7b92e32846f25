import { useQuery } from "@connectrpc/connect-query";
import { type Subscription, SubscriptionService, SubscriptionState } from "@posthaste/contracts/subscription";
import { Link } from "wouter";
import { SubscriptionBadge } from "../parts/badge.tsx";
import { Card } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import styles from "./failing-subscriptions.module.css";

const EVERY_MS = 10_000;
const SHOWN_MAX = 10;

/** Lists at most 10 failing subscriptions, the longest failing first. Renders nothing if there are none. */
export function FailingSubscriptions() {
  const { data } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { failing: true, pageSize: SHOWN_MAX },
    { refetchInterval: EVERY_MS },
  );
  const failing = [...(data?.subscriptions ?? [])].sort(
    (one, other) => Number(one.failingSince?.seconds) - Number(other.failingSince?.seconds),
  );
  if (failing.length === 0) return null;
  return (
    <Card
      title="Failing subscriptions"
      className={styles.card}
      isFlush
      aside={<Link href="/subscriptions">All subscriptions</Link>}
    >
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col" className={table.optional}>
              State
            </th>
            <th scope="col">Failing since</th>
          </tr>
        </thead>
        <tbody>
          {failing.map((subscription) => (
            <Row key={subscription.id} subscription={subscription} />
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function Row({ subscription }: { subscription: Subscription }) {
  const { id, targetUrl, state, failingSince } = subscription;
  return (
    <tr>
      <td className={table.wide}>
        <Link href={`/subscriptions/${id}`} className={table.link}>
          {targetUrl}
        </Link>
      </td>
      <td className={table.optional}>
        <SubscriptionBadge subscription={subscription} />
        {state === SubscriptionState.DISABLED && <span className="visually-hidden">, until resumed</span>}
      </td>
      <td>
        <Time at={failingSince} relative />
      </td>
    </tr>
  );
}
