import { useMutation } from "@connectrpc/connect-query";
import { type Inbox, type InboxRequest, InboxService } from "@posthaste/contracts/inbox";
import { type Subscription, SubscriptionService } from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { brand } from "../api/brand.ts";
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
  { id: "500", name: "500: fails and is retried" },
  { id: "429", name: "429: too many requests" },
  { id: "302", name: "302: redirect, not followed" },
  { id: "410", name: "410: ends the subscription" },
] as const;
type Answer = (typeof ANSWERS)[number]["id"];

/** A test receiver, from its creation to its first webhook. */
export function InboxPage() {
  const { session, isPortal } = useSession();
  const [id, setId] = useState(storedInboxId);
  const { inbox, requests, isLive, isGone, error } = useInbox(session.inboxes ? id : null);
  const subscriptions = useSubscriptions();
  const subscribers =
    inbox === undefined ? [] : subscriptions.filter(({ targetUrl }) => targetUrl.endsWith(inbox.path));
  const create = useMutation(InboxService.method.createInbox, {
    onSuccess: ({ inbox: created }) => {
      if (created === undefined) return;
      storeInboxId(created.id);
      setId(created.id);
    },
  });
  const createButton = (
    <Button
      className={`${controls.button} ${controls.primary}`}
      isPending={create.isPending}
      onPress={() => create.mutate({})}
    >
      Create an inbox
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Inbox"
        about="A test receiver. Requests appear here as they arrive, with their signatures checked."
      />
      {!session.inboxes && (
        <Card>
          <Empty title="Inboxes are turned off">
            {!isPortal && brand().name === null && (
              <p>
                The operator can turn them on with <code>POSTHASTE_INBOX=on</code>. <code>npm run up</code>{" "}
                does so.
              </p>
            )}
          </Empty>
        </Card>
      )}
      {create.error !== null && <ErrorNote error={create.error} />}
      {error !== undefined && <ErrorNote error={error} />}
      {session.inboxes && (id === null || isGone) && (
        <Card>
          <Empty title={isGone ? "This inbox no longer exists" : "No inbox yet"}>
            {isGone && (
              <p>
                It was older than a day, or the server has been restarted. The next event ends the
                subscriptions to it.
              </p>
            )}
            <p>
              An inbox keeps its last 30 requests in memory for a day. Anyone with its address can send to it.
            </p>
            {createButton}
          </Empty>
        </Card>
      )}
      {inbox !== undefined && !isGone && (
        <div className={styles.columns}>
          <Steps inbox={inbox} subscribers={subscribers} onCreateAnother={() => create.mutate({})} />
          <Received requests={requests} subscribers={subscribers} isLive={isLive} />
        </div>
      )}
    </>
  );
}

function Received(props: {
  requests: readonly InboxRequest[];
  subscribers: readonly Subscription[];
  isLive: boolean;
}) {
  const { requests, subscribers, isLive } = props;
  return (
    <Card
      title="Received requests"
      aside={isLive ? <span className={styles.live}>Live</span> : "Connecting…"}
      isFlush
    >
      {requests.length === 0 && (
        <Empty title="No requests yet">
          <p>Subscribe the inbox to an event type, then send a test event.</p>
        </Empty>
      )}
      <ol aria-live="polite" aria-relevant="additions">
        {requests.map((request, i) => (
          <ReceivedRequest
            key={Number(request.number)}
            request={request}
            isOpen={i === 0}
            keysPaths={subscribers.map(({ publicKeysPath }) => publicKeysPath)}
          />
        ))}
      </ol>
    </Card>
  );
}

function Steps(props: { inbox: Inbox; subscribers: readonly Subscription[]; onCreateAnother(): void }) {
  const { inbox, subscribers, onCreateAnother } = props;
  const url = `${location.origin}${inbox.path}`;
  const answer = useMutation(InboxService.method.setInboxAnswer);
  return (
    <div className={styles.steps}>
      <Card title="1. Inbox address">
        <div className={styles.body}>
          <p className={styles.url}>
            <code>{url}</code>
            <CopyButton text={url} label="Copy inbox address" />
          </p>
          <Choice<Answer>
            label="Responds with"
            options={ANSWERS}
            value={
              ANSWERS.find(({ id }) => id === String(answer.data?.inbox?.status ?? inbox.status))?.id ?? "200"
            }
            onChange={(status) => answer.mutate({ inboxId: inbox.id, status: Number(status) })}
          />
          {answer.error !== null && <ErrorNote error={answer.error} />}
          <p className={styles.note}>
            Expires <Time at={inbox.expiresAt} />.{" "}
            <Button className={styles.plain} onPress={onCreateAnother}>
              Create another
            </Button>
          </p>
        </div>
      </Card>
      <Card title="2. Subscribe the inbox">
        {subscribers.length === 0 ? (
          <Subscribe url={url} />
        ) : (
          <ul className={styles.body}>
            {subscribers.map(({ id, eventTypes }) => (
              <li key={id}>
                <Link href={`/subscriptions/${id}`}>Subscription {id}</Link> sends{" "}
                {eventTypes.includes("*") ? "all event types" : eventTypes.join(", ")}.
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Card title="3. Send a test event">
        {subscribers[0] !== undefined ? (
          <SendTest subscription={subscribers[0]} />
        ) : (
          <p className={styles.note}>Subscribe the inbox first.</p>
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
        label="Event types"
        options={[
          { id: "*", name: "All event types" },
          ...eventTypes.map(({ code }) => ({ id: code, name: code })),
        ]}
        value={chosen}
        onChange={setChosen}
      />
      <Button
        className={`${controls.button} ${controls.primary} ${styles.start}`}
        isDisabled={create.isPending}
        onPress={() => create.mutate({ targetUrl: url, eventTypes: [chosen], description: "Test inbox" })}
      >
        Subscribe
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
          Sent. <Link href={`/deliveries/${delivery.id}`}>View delivery</Link>
        </p>
      )}
    </div>
  );
}
