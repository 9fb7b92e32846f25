import { useMutation } from "@connectrpc/connect-query";
import { type Inbox, InboxService } from "@posthaste/contracts/inbox";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { useEventTypes, useSubscriptions } from "../api/subscriptions.ts";
import { Choice } from "../parts/choice.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Empty, PageHeader } from "../parts/layout.tsx";
import { Time } from "../parts/time.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./inbox-page.module.css";
import { ReceivedRequest } from "./received-request.tsx";
import { storedInboxId, storeInboxId } from "./stored-inbox.ts";
import { useInbox } from "./use-inbox.ts";

const ANSWERS = [
  { id: "200", name: "200: accepted" },
  { id: "500", name: "500: fails, and is retried" },
  { id: "429", name: "429: too many" },
  { id: "302", name: "302: redirects, not followed" },
  { id: "410", name: "410: ends the subscription" },
] as const;
type Answer = (typeof ANSWERS)[number]["id"];

/** A receiver to try, from its making to its first webhook. */
export function InboxPage() {
  const { session, can } = useSession();
  const [id, setId] = useState(storedInboxId);
  const { inbox, requests, isGone } = useInbox(session.inboxes ? id : null);
  const subscriptions = useSubscriptions();
  const leading =
    inbox === undefined ? [] : subscriptions.filter(({ targetUrl }) => targetUrl.endsWith(inbox.path));
  const make = useMutation(InboxService.method.createInbox, {
    onSuccess: ({ inbox: made }) => {
      if (made === undefined) return;
      storeInboxId(made.id);
      setId(made.id);
    },
  });
  const makeButton = (
    <Button
      className={`${controls.button} ${controls.primary}`}
      isDisabled={make.isPending || !can("subscriptions:write")}
      onPress={() => make.mutate({})}
    >
      Make an inbox
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Inbox"
        about="A receiver to try webhooks with: what comes in is shown here at once, with its signature checked."
      />
      {!session.inboxes && (
        <Card>
          <Empty title="This installation has no inboxes">
            <p>
              Its operator can set <code>POSTHASTE_INBOX=on</code>; <code>npm run up</code> does.
            </p>
          </Empty>
        </Card>
      )}
      {make.error !== null && <ErrorNote error={make.error} />}
      {session.inboxes && (id === null || isGone) && (
        <Card>
          <Empty title={isGone ? "That inbox is gone" : "No inbox yet"}>
            <p>
              It keeps its last 30 requests for a day, in memory. Anybody who has its address can send to it.
            </p>
            {makeButton}
          </Empty>
        </Card>
      )}
      {inbox !== undefined && !isGone && (
        <div className={styles.columns}>
          <Steps inbox={inbox} leading={leading} onMakeAnother={() => make.mutate({})} />
          <Card title="What came in" aside={<span className={styles.live}>Live</span>} isFlush>
            {requests.length === 0 && (
              <Empty title="Nothing yet">
                <p>Subscribe it to an event, then send a test. It shows up here.</p>
              </Empty>
            )}
            <ol aria-live="polite" aria-relevant="additions">
              {requests.map((request, i) => (
                <ReceivedRequest
                  key={Number(request.number)}
                  request={request}
                  isOpen={i === 0}
                  keysPaths={leading.map(({ publicKeysPath }) => publicKeysPath)}
                />
              ))}
            </ol>
          </Card>
        </div>
      )}
    </>
  );
}

function Steps(props: { inbox: Inbox; leading: readonly Subscription[]; onMakeAnother(): void }) {
  const { inbox, leading, onMakeAnother } = props;
  const { can } = useSession();
  const url = `${location.origin}${inbox.path}`;
  const answer = useMutation(InboxService.method.setInboxAnswer);
  return (
    <div className={styles.steps}>
      <Card title="1. Its address">
        <div className={styles.body}>
          <p className={styles.url}>
            <code>{url}</code>
            <CopyButton text={url} label="Copy the inbox’s address" />
          </p>
          <Choice<Answer>
            label="It answers"
            options={ANSWERS}
            value={
              ANSWERS.find(({ id }) => id === String(answer.data?.inbox?.status ?? inbox.status))?.id ?? "200"
            }
            onChange={(status) => answer.mutate({ inboxId: inbox.id, status: Number(status) })}
          />
          {answer.error !== null && <ErrorNote error={answer.error} />}
          <p className={styles.note}>
            Until <Time at={inbox.expiresAt} />.{" "}
            <Button className={styles.plain} onPress={onMakeAnother}>
              Make another
            </Button>
          </p>
        </div>
      </Card>
      <Card title="2. Subscribe it">
        {leading.length === 0 ? (
          <Subscribe url={url} />
        ) : (
          <ul className={styles.body}>
            {leading.map(({ id, eventTypes }) => (
              <li key={id}>
                <Link href={`/subscriptions/${id}`}>Subscription {id}</Link> sends{" "}
                {eventTypes.includes("*") ? "every event type" : eventTypes.join(", ")}.
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title="3. Send a test">
        {leading[0] !== undefined && can("subscriptions:write") ? (
          <SendTest subscription={leading[0]} />
        ) : (
          <p className={styles.note}>Once it is subscribed.</p>
        )}
      </Card>
    </div>
  );
}

function Subscribe({ url }: { url: string }) {
  const queries = useQueryClient();
  const eventTypes = useEventTypes();
  const [chosen, setChosen] = useState("*");
  const create = useMutation(SubscriptionService.method.createSubscription, {
    onSuccess: () => queries.invalidateQueries(),
  });
  return (
    <div className={styles.body}>
      <Choice
        label="To"
        options={[
          { id: "*", name: "Every event type" },
          ...eventTypes.map(({ code }) => ({ id: code, name: code })),
        ]}
        value={chosen}
        onChange={setChosen}
      />
      <Button
        className={`${controls.button} ${controls.primary} ${styles.start}`}
        isDisabled={create.isPending}
        onPress={() =>
          create.mutate({ targetUrl: url, eventTypes: [chosen], description: "An inbox, to try" })
        }
      >
        Subscribe it
      </Button>
      {create.error !== null && <ErrorNote error={create.error} />}
    </div>
  );
}

function SendTest({ subscription }: { subscription: Subscription }) {
  const eventTypes = useEventTypes();
  const [chosen, setChosen] = useState("");
  const send = useMutation(SubscriptionService.method.sendTestEvent);
  const first = subscription.eventTypes.includes("*") ? eventTypes[0]?.code : subscription.eventTypes[0];
  const eventType = chosen === "" ? (first ?? "") : chosen;
  const delivery = send.data?.delivery;
  return (
    <div className={styles.body}>
      <Choice
        label="Event type"
        options={eventTypes.map(({ code }) => ({ id: code, name: code }))}
        value={eventType}
        onChange={setChosen}
      />
      <Button
        className={`${controls.button} ${controls.primary} ${styles.start}`}
        isDisabled={send.isPending || eventType === ""}
        onPress={() => send.mutate({ subscriptionId: subscription.id, eventType })}
      >
        {send.isPending ? "Sending…" : "Send a test event"}
      </Button>
      {send.error !== null && <ErrorNote error={send.error} />}
      {delivery !== undefined && (
        <p className={styles.note} role="status">
          It was sent. <Link href={`/deliveries/${delivery.id}`}>See the delivery</Link>
        </p>
      )}
    </div>
  );
}
