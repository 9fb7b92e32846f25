import { useQuery } from "@connectrpc/connect-query";
import { EventCatalogService, type EventType } from "@posthaste/contracts/event_catalog";
import { useState } from "react";
import { Link } from "wouter";
import { ErrorNote } from "../parts/error-note.tsx";
import { Empty, PageHeader, Skeleton } from "../parts/layout.tsx";
import { useSession } from "../session/session-context.tsx";
import { EventTypeForm } from "./event-type-form.tsx";
import { mayChange } from "./may-change.ts";

export function NewEventTypePage() {
  const { can } = useSession();
  if (!can("catalog:write")) return <Denied title="New event type" />;
  return (
    <>
      <PageHeader
        title="New event type"
        about="It can be ingested and subscribed to as soon as it is created."
      />
      <EventTypeForm before={undefined} />
    </>
  );
}

export function EditEventTypePage({ code }: { code: string }) {
  const { can } = useSession();
  const { data, error, refetch, isFetchedAfterMount } = useQuery(
    EventCatalogService.method.getEventType,
    { code },
    { refetchOnMount: "always" },
  );
  const eventType = data?.eventType;
  const title = `Edit ${code}`;
  if (eventType === undefined || !isFetchedAfterMount) {
    return (
      <>
        <PageHeader title={title} />
        {error === null ? <Skeleton lines={8} /> : <ErrorNote error={error} onRetry={() => void refetch()} />}
      </>
    );
  }
  if (!mayChange(eventType, can)) return <Denied title={title} />;
  return <Edit first={eventType} title={title} />;
}

/** Keeps the version that it began with: what others store meanwhile must not replace what is typed. */
function Edit({ first, title }: { first: EventType; title: string }) {
  const [before] = useState(first);
  const about = `Changes version ${before.version}. Receivers must be able to read the next one.`;
  return (
    <>
      <PageHeader title={title} about={about} />
      <EventTypeForm before={before} />
    </>
  );
}

function Denied({ title }: { title: string }) {
  return (
    <>
      <PageHeader title={title} />
      <Empty title="This token cannot change this event type">
        <p>
          That needs the scope catalog:write, and admin for one that all accounts share. Built-in and archived
          event types cannot be changed.
        </p>
        <Link href="/event-types">Event types</Link>
      </Empty>
    </>
  );
}
