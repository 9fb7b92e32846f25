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
import { useSession } from "../session/session-context.tsx";
import styles from "./event-types-page.module.css";

export function EventTypesPage() {
  const { can } = useSession();
  const [query, setQuery] = useState("");
  const { data, error, refetch } = useQuery(EventCatalogService.method.listEventTypes, {});
  const words = query.trim().toLowerCase();
  const shown = (data?.eventTypes ?? []).filter(
    ({ code, description }) => code.includes(words) || description.toLowerCase().includes(words),
  );
  return (
    <>
      <PageHeader
        title="Event types"
        about="The events you can subscribe to, each with its schema and a sample."
      >
        <SearchField className={styles.search} value={query} onChange={setQuery}>
          <Label className="visually-hidden">Find an event type</Label>
          <Input className={controls.input} placeholder="Find…" />
        </SearchField>
        {can("catalog:write") && (
          <Link href="/event-types/-/new" className={`${controls.button} ${controls.primary}`}>
            New event type
          </Link>
        )}
      </PageHeader>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      <Card isFlush>
        {data === undefined && error === null && <Skeleton lines={12} />}
        {data !== undefined && shown.length === 0 && (
          <Empty title="No event types match">
            <p>Search for part of a code or description, for example invoice.</p>
          </Empty>
        )}
        {shown.length > 0 && (
          <table className={table.table}>
            <caption className="visually-hidden">Event catalogue</caption>
            <thead>
              <tr>
                <th scope="col">Code</th>
                <th scope="col" className={table.optional}>
                  Description
                </th>
                <th scope="col" className={table.optional}>
                  Version
                </th>
                <th scope="col" className={table.optional}>
                  Source
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map(({ code, description, version, builtIn, shared }) => (
                <tr key={code}>
                  <td className={table.fill}>
                    <Link href={`/event-types/${code}`} className={`${table.link} mono`}>
                      <span className={table.name}>{code}</span>
                    </Link>
                    <span className={`${table.below} ${styles.below}`}>{description}</span>
                  </td>
                  <td className={`${table.wide} ${table.muted} ${table.optional}`}>{description}</td>
                  <td className={table.optional}>{version}</td>
                  <td className={`${table.muted} ${table.optional}`}>
                    {builtIn ? "built-in" : shared ? "shared" : "this account"}
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
