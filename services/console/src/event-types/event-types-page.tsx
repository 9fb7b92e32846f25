import { useQuery } from "@connectrpc/connect-query";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { useState } from "react";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { SearchField } from "react-aria-components/SearchField";
import { Link } from "wouter";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import styles from "./event-types-page.module.css";

export function EventTypesPage() {
  const [sought, setSought] = useState("");
  const { data, error, refetch } = useQuery(EventCatalogService.method.listEventTypes, {});
  const words = sought.trim().toLowerCase();
  const shown = (data?.eventTypes ?? []).filter(
    ({ code, description }) => code.includes(words) || description.toLowerCase().includes(words),
  );
  return (
    <>
      <PageHeader title="Event types" about="What can happen, and what a receiver is sent when it does.">
        <SearchField className={styles.search} value={sought} onChange={setSought}>
          <Label className="visually-hidden">Find an event type</Label>
          <Input className={controls.input} placeholder="Find…" />
        </SearchField>
      </PageHeader>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <Card isFlush>
        {data === undefined && error === null && <Skeleton lines={12} />}
        {data !== undefined && shown.length === 0 && (
          <Empty title="No event type is like that">
            <p>Look for a part of its code, such as invoice.</p>
          </Empty>
        )}
        {shown.length > 0 && (
          <table className={table.table}>
            <caption className="visually-hidden">The catalogue</caption>
            <thead>
              <tr>
                <th scope="col">Code</th>
                <th scope="col" className={table.optional}>
                  What happened
                </th>
                <th scope="col" className={table.optional}>
                  Version
                </th>
                <th scope="col" className={table.optional}>
                  Whose
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ code, description, version, builtIn, shared }) => (
                <tr key={code}>
                  <td>
                    <Link href={`/event-types/${code}`} className={`${table.link} mono`}>
                      {code}
                    </Link>
                    <span className={`${table.below} ${styles.below}`}>{description}</span>
                  </td>
                  <td className={`${table.wide} ${table.muted} ${table.optional}`}>{description}</td>
                  <td className={table.optional}>{version}</td>
                  <td className={`${table.muted} ${table.optional}`}>
                    {builtIn ? "built in" : shared ? "everyone’s" : "your own"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Card>
    </>
  );
}
