import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "@posthaste/contracts/delivery";
import { Link } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { exactTime } from "../parts/times.ts";
import styles from "./delivery-rows.module.css";

export function DeliveryRows({ deliveries, isStale }: { deliveries: readonly Delivery[]; isStale: boolean }) {
  const subscriptions = useSubscriptions();
  return (
    <table className={`${table.table} ${table.stacked} ${isStale ? styles.stale : ""}`}>
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
          <Row
            key={delivery.id}
            delivery={delivery}
            target={targetName(subscriptions, delivery.subscriptionId)}
          />
        ))}
      </tbody>
    </table>
  );
}

function Row({ delivery, target }: { delivery: Delivery; target: string }) {
  const { id, attempts, eventType, test, lastOutcome, lastStatus, createdAt } = delivery;
  const outcome = answerOf(lastOutcome, lastStatus);
  return (
    <tr>
      <td>
        <DeliveryBadge delivery={delivery} />
      </td>
      <td>
        <Link
          href={`/deliveries/${id}`}
          className={table.link}
          // The link covers its row, and so do its words.
          title={createdAt === undefined ? target : `${target}\n${exactTime(timestampMs(createdAt))}`}
        >
          <span className={table.name}>{eventType}</span>
          <span className="visually-hidden">, delivery {id}</span>
        </Link>
        {test && <span className={styles.test}>test</span>}
        <span className={table.below}>{target}</span>
        <span className={table.below}>
          {outcome}, <Time at={createdAt} relative />
        </span>
      </td>
      <td className={`${table.wide} ${table.muted} ${table.optional}`}>
        <span className={table.target}>{target}</span>
      </td>
      <td className={table.optional} data-label="Attempts">
        {attempts}
      </td>
      <td className={`${table.muted} ${table.optional}`}>{outcome}</td>
      <td className={`${table.muted} ${table.optional}`}>
        <Time at={createdAt} relative />
      </td>
    </tr>
  );
}
