import { createQueryOptions, useQuery, useTransport } from "@connectrpc/connect-query";
import { EventCatalogService, type EventType } from "@posthaste/contracts/event_catalog";
import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { Choice } from "../parts/choice.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import { Time } from "../parts/time.tsx";
import { type Change, changesBetween } from "./version-changes.ts";
import { addressOfVersions, readVersions } from "./versions-address.ts";
import styles from "./versions-page.module.css";

const { getEventType } = EventCatalogService.method;
/** The newest versions that the list shows. Any others can be chosen to be compared. */
const LISTED_MAX = 20;

/** Lists an event type's versions, and shows what changed between two. */
export function VersionsPage({ code }: { code: string }) {
  const { data, error, refetch } = useQuery(getEventType, { code });
  const latest = data?.eventType?.version;
  return (
    <>
      <PageHeader title={`Versions of ${code}`}>
        <Link href={`/event-types/${code}`}>Event type</Link>
      </PageHeader>
      {error !== null && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {latest === undefined && error === null && <Skeleton lines={8} />}
      {latest === 1 && (
        <Empty title="There is one version">
          <p>What changes appears here when the event type gets another one.</p>
        </Empty>
      )}
      {latest !== undefined && latest > 1 && <Versions code={code} latest={latest} />}
    </>
  );
}

function Versions({ code, latest }: { code: string; latest: number }) {
  const [, navigate] = useLocation();
  const { from, to } = readVersions(useSearch(), latest);
  const listed = Array.from({ length: Math.min(latest, LISTED_MAX) }, (_, i) => latest - i);
  const { versions, error } = useVersions(code, [...new Set([...listed, ...listed.map(before), from, to])]);
  const options = Array.from({ length: latest }, (_, i) => ({
    id: String(latest - i),
    name: `Version ${latest - i}`,
  }));
  const show = (chosen: { from: number; to: number }) => navigate(addressOfVersions(code, chosen));
  return (
    <div className={styles.stack}>
      {error !== null && <ErrorNote error={error} />}
      <Card isFlush>
        <table className={`${table.table} ${table.stacked}`}>
          <caption className="visually-hidden">Versions, the newest first</caption>
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">Changed</th>
              <th scope="col">Stored</th>
            </tr>
          </thead>
          <tbody>
            {listed.map((version) => (
              <tr key={version}>
                <td data-label="Version">
                  {version === 1 ? (
                    "1"
                  ) : (
                    <Link
                      href={addressOfVersions(code, { from: version - 1, to: version })}
                      className={table.link}
                    >
                      {version}
                    </Link>
                  )}
                </td>
                <td className={styles.changed} data-label="Changed">
                  <ChangedParts before={versions.get(version - 1)} after={versions.get(version)} />
                </td>
                <td data-label="Stored">
                  <Time at={versions.get(version)?.updatedAt} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
      <Card title={`What changed from version ${from} to ${to}`}>
        <div className={styles.stack}>
          <div className={styles.choices}>
            <Choice
              label="From"
              options={options}
              value={String(from)}
              onChange={(id) => show({ from: Number(id), to })}
            />
            <Choice
              label="To"
              options={options}
              value={String(to)}
              onChange={(id) => show({ from, to: Number(id) })}
            />
          </div>
          <Changes before={versions.get(from)} after={versions.get(to)} />
        </div>
      </Card>
    </div>
  );
}

/** Version 1 has none before it. */
const before = (version: number) => Math.max(1, version - 1);

/** Versions never change, so each is read once. */
function useVersions(code: string, numbers: readonly number[]) {
  const transport = useTransport();
  return useQueries({
    queries: numbers.map((version) => ({
      ...createQueryOptions(getEventType, { code, version }, { transport }),
      staleTime: Number.POSITIVE_INFINITY,
    })),
    combine: (results) => ({
      versions: new Map(
        results.flatMap(({ data }) =>
          data?.eventType === undefined ? [] : [[data.eventType.version, data.eventType]],
        ),
      ),
      error: results.find(({ error }) => error !== null)?.error ?? null,
    }),
  });
}

type Pair = { before: EventType | undefined; after: EventType | undefined };

function ChangedParts({ before, after }: Pair) {
  if (after?.version === 1) return "created";
  if (before === undefined || after === undefined) return "…";
  const parts = changesBetween(before, after).map(({ part }) => part.toLowerCase());
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

function Changes({ before, after }: Pair) {
  const changes = useMemo(
    () => (before === undefined || after === undefined ? undefined : changesBetween(before, after)),
    [before, after],
  );
  if (changes === undefined) return <Skeleton lines={4} />;
  if (changes.length === 0) return <p>Nothing: these versions are the same.</p>;
  return changes.map((change) => <Diff key={change.part} change={change} />);
}

/** What screen readers read before a line. */
const SPOKEN = { same: "", added: "added: ", removed: "removed: ", gap: "" } as const;

function Diff({ change: { part, lines } }: { change: Change }) {
  return (
    <figure className={styles.diff}>
      <figcaption>{part}</figcaption>
      {lines === undefined ? (
        <p className={styles.involved}>Too much has changed to compare it line by line.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable regions need the keyboard
        <section tabIndex={0} aria-label={`Changes of the ${part.toLowerCase()}`} className={styles.scroll}>
          <ol>
            {lines.map(({ kind, text }, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the lines keep their order
              <li key={i} data-kind={kind}>
                <span className="visually-hidden">{SPOKEN[kind]}</span>
                {text}
              </li>
            ))}
          </ol>
        </section>
      )}
    </figure>
  );
}
