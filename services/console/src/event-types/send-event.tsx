import { useMutation, useQuery } from "@connectrpc/connect-query";
import type { EventType } from "@posthaste/contracts/event_catalog";
import { EventIngestService, type IngestEventResponse } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card } from "../parts/layout.tsx";
import { whole } from "../parts/numbers.ts";
import { useSession } from "../session/session-context.tsx";
import { CodeField } from "./code-field.tsx";
import { formatted, problemOfJson } from "./json-text.ts";
import { newIdempotencyKey, recipientsInWords } from "./recipients.ts";
import styles from "./send-event.module.css";

/** The largest page that the API returns. */
const COUNTED_MAX = 500;

/** Ingests an event that somebody has written, which starts as the event type's sample. */
export function SendEvent({ eventType }: { eventType: EventType }) {
  const { code, sampleJson } = eventType;
  const queries = useQueryClient();
  const [text, setText] = useState(() => formatted(sampleJson));
  // The same until the event was sent: whoever tries again, as after a lost answer, sends it once.
  const [key, setKey] = useState(newIdempotencyKey);
  const ingest = useMutation(EventIngestService.method.ingestEvent, {
    onSuccess: () => void queries.invalidateQueries(),
  });
  const problem = problemOfJson(text);
  const sent = ingest.data;
  const startAnother = () => {
    setKey(newIdempotencyKey());
    ingest.reset();
  };
  return (
    <Card title="Send an event">
      <div className={styles.body}>
        {sent === undefined ? (
          <>
            <CodeField
              label="Snapshot"
              about="Sent as it is written here, to all subscriptions to this event type."
              value={text}
              onChange={setText}
              problem={problem?.text}
              problemLine={problem?.line}
              rows={12}
            />
            <p className={styles.key}>
              Idempotency key <code>{key}</code>
              <CopyButton text={key} label="Copy the idempotency key" />
              <Button
                className={`${controls.button} ${controls.small}`}
                onPress={() => setKey(newIdempotencyKey())}
              >
                New key
              </Button>
            </p>
            {problem === undefined && (
              <div>
                <ConfirmButton
                  label="Send…"
                  title={`Send this ${code} event?`}
                  confirmLabel="Send"
                  onConfirm={() =>
                    ingest.mutateAsync({
                      eventType: code,
                      snapshot: { case: "dataJson", value: text },
                      idempotencyKey: key,
                    })
                  }
                >
                  <Recipients code={code} />
                  <p>This is no test: receivers cannot tell it from what your platform sends.</p>
                </ConfirmButton>
              </div>
            )}
          </>
        ) : (
          <Sent sent={sent} onAnother={startAnother} />
        )}
      </div>
    </Card>
  );
}

function Recipients({ code }: { code: string }) {
  const { can } = useSession();
  const { data, error } = useQuery(
    SubscriptionService.method.listSubscriptions,
    { eventType: code, pageSize: COUNTED_MAX },
    { enabled: can("subscriptions:read"), staleTime: 0 },
  );
  if (!can("subscriptions:read")) return <p>This token may not read how many subscriptions get it.</p>;
  if (error !== null) return <ErrorNote error={error} />;
  if (data === undefined) return <p>Counting the subscriptions…</p>;
  return <p>{recipientsInWords(data.subscriptions, data.nextPageToken !== "")}</p>;
}

function Sent({ sent, onAnother }: { sent: IngestEventResponse; onAnother(): void }) {
  const { eventId, deliveryCount, duplicate, warnings } = sent;
  const { can } = useSession();
  const deliveries = deliveryCount === 1 ? "1 delivery" : `${whole(deliveryCount)} deliveries`;
  return (
    <div className={styles.sent} role="status">
      <p>
        {duplicate ? "It had been sent before, and was not sent again: " : `Sent, with ${deliveries}: `}
        {can("deliveries:read") ? <Link href={`/events/${eventId}`}>{eventId}</Link> : <code>{eventId}</code>}
      </p>
      {warnings.length > 0 && (
        <>
          <p>It does not match the schema:</p>
          <ul className={styles.warnings}>
            {warnings.map(({ path, message }) => (
              <li key={path + message}>
                <code>{path === "" ? "the snapshot" : path}</code> {message}
              </li>
            ))}
          </ul>
        </>
      )}
      <Button className={controls.button} onPress={onAnother}>
        Send another
      </Button>
    </div>
  );
}
