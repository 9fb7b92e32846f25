import { useMutation } from "@connectrpc/connect-query";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { Send } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { useEventTypes } from "../api/subscriptions.ts";
import { Hint } from "../delivery/hint.tsx";
import { CodeField } from "../event-types/code-field.tsx";
import { formatted, problemOfJson } from "../event-types/json-text.ts";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import { BodyBlock } from "../parts/body-block.tsx";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card } from "../parts/layout.tsx";
import { durationMsOf } from "../parts/numbers.ts";
import { spelledMs } from "../parts/times.ts";
import styles from "./test-event.module.css";

const AS_WRITTEN = "Sent as it is written here.";

/** Sends a test event to this subscription only, and shows the outcome. */
export function TestEvent({ subscription, onSent }: { subscription: Subscription; onSent(): void }) {
  const eventTypes = useEventTypes();
  const wanted = eventTypes.filter(
    ({ code }) => subscription.eventTypes.includes(code) || subscription.eventTypes.includes("*"),
  );
  const offered = wanted.length > 0 ? wanted : eventTypes;
  const [chosen, setChosen] = useState("");
  const [edited, setEdited] = useState<string>();
  const eventType = offered.find(({ code }) => code === chosen) ?? offered[0];
  const text = edited ?? formatted(eventType?.sampleJson ?? "{}");
  const problem = problemOfJson(text);
  const send = useMutation(SubscriptionService.method.sendTestEvent, { onSuccess: onSent });
  const delivery = send.data?.delivery;
  const attempt = send.data?.attempt;
  return (
    <Card title="Send a test event">
      <div className={styles.body}>
        <p className={styles.about}>
          Sent once, to this subscription only, with the header <code>webhook-test: true</code>.
        </p>
        <Choice
          label="Event type"
          options={offered.map(({ code }) => ({ id: code, name: code }))}
          value={eventType?.code ?? ""}
          onChange={(code) => {
            setChosen(code);
            setEdited(undefined);
          }}
        />
        <CodeField
          label="Snapshot"
          about={edited === undefined ? "The sample of its type, which is sent as it is stored." : AS_WRITTEN}
          value={text}
          onChange={setEdited}
          problem={problem?.text}
          problemLine={problem?.line}
          rows={8}
        />
        <Button
          className={`${controls.button} ${controls.primary} ${styles.send}`}
          isDisabled={send.isPending || eventType === undefined || problem !== undefined}
          onPress={() =>
            send.mutate({
              subscriptionId: subscription.id,
              eventType: eventType?.code ?? "",
              dataJson: edited ?? "",
            })
          }
        >
          <Send size={15} aria-hidden="true" /> {send.isPending ? "Sending…" : "Send"}
        </Button>
        {send.error !== null && <ErrorNote error={send.error} />}
        {delivery !== undefined && (
          <div className={styles.result} role="status">
            <p className={styles.outcome}>
              <DeliveryBadge delivery={delivery} />
              <span>
                {attempt === undefined
                  ? "No outcome yet. The attempt is still in progress."
                  : `${answerOf(attempt.outcome, attempt.status)} in ${spelledMs(durationMsOf(attempt.duration))}`}
              </span>
              <Link href={`/deliveries/${delivery.id}`}>View delivery</Link>
            </p>
            {attempt?.detail !== undefined && attempt.detail !== "" && <p>{attempt.detail}</p>}
            {attempt !== undefined && <Hint attempt={attempt} isLast />}
            {attempt !== undefined && attempt.status !== 0 && (
              <BodyBlock
                label="Response body"
                bytes={attempt.responseBody}
                fileName="response"
                isTruncated={attempt.responseTruncated}
              />
            )}
          </div>
        )}
      </div>
    </Card>
  );
}
