import type { EventSummary } from "@posthaste/contracts/delivery";
import { Link } from "wouter";
import { sizeInWords } from "../parts/numbers.ts";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";

/** Lists events, each with a link to its page. */
export function EventRows({ events }: { events: readonly EventSummary[] }) {
  return (
    <table className={`${table.table} ${table.stacked}`}>
      <caption className="visually-hidden">Events, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Event type</th>
          <th scope="col">ID</th>
          <th scope="col">Size</th>
          <th scope="col">Accepted</th>
        </tr>
      </thead>
      <tbody>
        {events.map(({ id, eventType, dataBytes, createdAt }) => (
          <tr key={id}>
            <td className={table.fill}>
              <Link href={`/events/${id}`} className={table.link}>
                <span className={table.name}>{eventType}</span>
                <span className="visually-hidden">, event {id}</span>
              </Link>
            </td>
            <td className={`mono ${table.wide} ${table.muted}`}>{id}</td>
            <td className={table.muted}>{sizeInWords(dataBytes)}</td>
            <td className={table.muted}>
              <Time at={createdAt} relative />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
