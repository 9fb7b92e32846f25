import { useMutation, useQuery } from "@connectrpc/connect-query";
import { EventCatalogService, type EventTypeKey } from "@posthaste/contracts/event_catalog";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { Pencil, Send } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { Badge, SubscriptionBadge } from "../parts/badge.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import table from "../parts/table.module.css";
import { TargetLink } from "../parts/target-link.tsx";
import { TextBlock } from "../parts/text-block.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./event-type-page.module.css";
import { mayChange } from "./may-change.ts";
import { SchemaTable } from "./schema-table.tsx";

const SHOWN_MAX = 50;

/** An editor, which few readers of this page need. */
const SendEvent = lazy(async () => ({ default: (await import("./send-event.tsx")).SendEvent }));

export function EventTypePage({ code }: { code: string }) {
  const { can } = useSession();
  const [isSending, setSending] = useState(false);
  const { data, error, refetch } = useQuery(EventCatalogService.method.getEventType, { code });
  const eventType = data?.eventType;
  if (eventType === undefined) {
    return (
      <>
        <PageHeader title={code} />
        {error === null ? <Skeleton lines={8} /> : <ErrorNote error={error} onRetry={() => void refetch()} />}
      </>
    );
  }
  const maySend = can("events:write") && eventType.archivedAt === undefined;
  return (
    <>
      <PageHeader
        name={code}
        title={
          <>
            <span className={styles.code}>{code}</span>
            {eventType.archivedAt !== undefined && <Badge tone="amber">Archived</Badge>}
          </>
        }
        about={eventType.description}
      >
        {mayChange(eventType, can) && <Change code={code} />}
        {eventType.version > 1 && (
          <Link href={`/event-types/${code}/versions`} className={controls.button}>
            Versions
          </Link>
        )}
        {maySend && (
          <Button
            className={controls.button}
            aria-expanded={isSending}
            onPress={() => setSending((before) => !before)}
          >
            <Send size={15} aria-hidden="true" /> Send an event
          </Button>
        )}
        <Link href={`/deliveries?type=${code}`} className={controls.button}>
          View deliveries
        </Link>
      </PageHeader>
      <div className={styles.columns}>
        <Card title="Schema" isFlush>
          {eventType.schema === undefined ? (
            <Empty title="No schema">
              <p>This event type accepts any JSON object.</p>
            </Empty>
          ) : (
            <SchemaTable schema={eventType.schema} />
          )}
        </Card>
        <div className={styles.column}>
          {isSending && (
            <Suspense fallback={<Skeleton lines={6} />}>
              <SendEvent eventType={eventType} />
            </Suspense>
          )}
          {eventType.keys.length > 0 && <Keys keys={eventType.keys} />}
          <TextBlock label="Sample" text={`[${eventType.sampleJson}]`} />
          <Subscribers code={code} />
        </div>
      </div>
    </>
  );
}

function Keys({ keys }: { keys: readonly EventTypeKey[] }) {
  return (
    <Card title="Keys">
      <p className={styles.about}>The fields by whose values its events are found.</p>
      <ul>
        {keys.map(({ pointer, sensitive }) => (
          <li key={pointer}>
            <span className="mono">{pointer}</span>
            {sensitive && <span className={styles.about}> (personal data)</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Leads to the form, and archives. */
function Change({ code }: { code: string }) {
  const queries = useQueryClient();
  const archive = useMutation(EventCatalogService.method.archiveEventType);
  return (
    <>
      <ConfirmButton
        label="Archive"
        title={`Archive ${code}?`}
        confirmLabel="Archive"
        isDanger
        onConfirm={async () => {
          await archive.mutateAsync({ code });
          await queries.invalidateQueries();
        }}
      >
        <p>
          It accepts no further events and no new subscriptions. Existing subscriptions keep it, and its code
          stays taken. This cannot be undone.
        </p>
      </ConfirmButton>
      <Link href={`/event-types/${code}/edit`} className={controls.button}>
        <Pencil size={15} aria-hidden="true" /> Edit
      </Link>
    </>
  );
}

function Subscribers({ code }: { code: string }) {
  const { can } = useSession();
  const { data } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { eventType: code, pageSize: SHOWN_MAX },
    { enabled: can("subscriptions:read") },
  );
  if (!can("subscriptions:read")) return null;
  const subscriptions = data?.subscriptions;
  return (
    <Card title="Subscribers" isFlush>
      {subscriptions === undefined && <Skeleton lines={2} />}
      {subscriptions?.length === 0 && (
        <Empty title="No subscribers">
          {can("subscriptions:write") && <Link href="/subscriptions/new">Create a subscription</Link>}
        </Empty>
      )}
      {subscriptions !== undefined && subscriptions.length > 0 && (
        <table className={`${table.table} ${table.stacked}`}>
          <caption className="visually-hidden">Subscriptions to {code}</caption>
          <tbody>
            {subscriptions.map((subscription) => (
              <tr key={subscription.id}>
                <td className={table.wide}>
                  <TargetLink subscription={subscription} />
                </td>
                <td>
                  <SubscriptionBadge subscription={subscription} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
