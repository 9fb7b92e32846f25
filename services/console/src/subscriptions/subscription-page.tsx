import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import {
  Acceptance,
  type Subscription,
  SubscriptionService,
  SubscriptionState,
} from "@posthaste/contracts/subscription";
import { useQueryClient } from "@tanstack/react-query";
import { Pause, Pencil, Play } from "lucide-react";
import { useCallback, useState } from "react";
import { Button } from "react-aria-components/Button";
import { Link, useLocation } from "wouter";
import { SubscriptionBadge } from "../parts/badge.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Facts, PageHeader, Skeleton } from "../parts/layout.tsx";
import { durationMsOf } from "../parts/numbers.ts";
import { Time } from "../parts/time.tsx";
import { spelledMs } from "../parts/times.ts";
import { UNDELIVERED } from "../recover/selection.ts";
import { SendAgainButton } from "../recover/send-again.tsx";
import { useSession } from "../session/session-context.tsx";
import { Health } from "./health.tsx";
import { newSecretOf } from "./more-options.ts";
import { headerChangesOf } from "./named-values.ts";
import { NextSteps } from "./next-steps.tsx";
import { SigningKeys } from "./signing-keys.tsx";
import { draftOf, requestOf } from "./subscription-draft.ts";
import { SubscriptionForm } from "./subscription-form.tsx";
import styles from "./subscription-page.module.css";
import { TestEvent } from "./test-event.tsx";
import { VerifyCard } from "./verify-card.tsx";

const EVERY_MS = 10_000;
/** The polling interval while the subscription's parked deliveries drain. */
const DRAINING_EVERY_MS = 1_000;
const { getSubscription } = SubscriptionService.method;

export function SubscriptionPage({ id }: { id: number }) {
  const { can } = useSession();
  const queries = useQueryClient();
  const [isEditing, setEditing] = useState(false);
  const [isResumed, setResumed] = useState(false);
  const { data, error, refetch } = useQuery(
    getSubscription,
    { id },
    {
      refetchInterval: ({ state }) =>
        state.data?.subscription?.draining === true ? DRAINING_EVERY_MS : EVERY_MS,
    },
  );
  const refresh = useCallback(() => void queries.invalidateQueries(), [queries]);
  const subscription = data?.subscription;
  if (subscription === undefined) {
    return (
      <>
        <PageHeader title="Subscription" />
        {error === null ? <Skeleton lines={8} /> : <ErrorNote error={error} onRetry={() => void refetch()} />}
      </>
    );
  }
  const mayWrite = can("subscriptions:write") && subscription.state !== SubscriptionState.ENDED;
  return (
    <>
      <PageHeader
        name={subscription.targetUrl}
        title={
          <>
            <span className={styles.target}>{subscription.targetUrl}</span>
            <SubscriptionBadge subscription={subscription} />
          </>
        }
        about={subscription.description === "" ? `Subscription ${id}` : subscription.description}
      >
        {mayWrite && (
          <Actions
            subscription={subscription}
            onEdit={() => setEditing(true)}
            onChanged={refresh}
            onResumed={() => setResumed(true)}
          />
        )}
      </PageHeader>
      {isResumed && can("deliveries:write") && (
        <div className={styles.offer} role="status">
          <p>
            Resumed: its parked deliveries are sent in order. What waits for a later retry or has failed can
            be sent now, too.
          </p>
          <SendAgainButton
            label="Send what waits or failed…"
            selection={{ ...UNDELIVERED, subscriptionId: id }}
            isSmall
          />
        </div>
      )}
      {subscription.state === SubscriptionState.ENDED && (
        <p className={styles.note}>
          This subscription ended <Time at={subscription.endedAt} />
          {subscription.endedReason !== "" && `: ${subscription.endedReason}`}.
        </p>
      )}
      {subscription.state === SubscriptionState.DISABLED && (
        <p className={styles.note}>
          This subscription was disabled because it kept failing. Its deliveries are parked. They are sent in
          order when it is resumed.
        </p>
      )}
      {mayWrite && <NextSteps />}
      <div className={styles.columns}>
        <div className={styles.column}>
          {isEditing ? (
            <Edit
              subscription={subscription}
              onDone={() => {
                setEditing(false);
                refresh();
              }}
            />
          ) : (
            <Settings subscription={subscription} />
          )}
          {mayWrite && <TestEvent subscription={subscription} onSent={refresh} />}
        </div>
        <div className={styles.column}>
          <Health subscription={subscription} />
          {mayWrite && <SigningKeys id={id} />}
          <VerifyCard />
        </div>
      </div>
    </>
  );
}

function Settings({ subscription }: { subscription: Subscription }) {
  const { eventTypes, rateLimit, concurrency, timeout, hasSecret, headerNames, acceptance } = subscription;
  const entries = Object.entries(subscription.metadata).sort();
  return (
    <Card
      title="Settings"
      aside={<Link href={`/deliveries?subscription=${subscription.id}`}>View deliveries</Link>}
    >
      <Facts
        facts={[
          ["Event types", eventTypes.includes("*") ? "all event types" : eventTypes.join(", ")],
          ["Accepted statuses", acceptance === Acceptance.ANY_2XX ? "200 to 299" : "only 200"],
          ["Attempt timeout", spelledMs(durationMsOf(timeout))],
          [
            "Rate",
            rateLimit === undefined
              ? "no limit"
              : `${rateLimit.perSecond} per second, burst of ${rateLimit.burst}`,
          ],
          ["Concurrent attempts", concurrency === 0 ? "default" : String(concurrency)],
          ["Receiver credential", hasSecret ? "sent as Authorization: Basic" : "none"],
          ["Custom headers", headerNames.length === 0 ? "none" : headerNames.join(", ")],
          ["Metadata", entries.length === 0 ? "none" : entries.map((entry) => entry.join(": ")).join(", ")],
          ["Created", <Time key="created" at={subscription.createdAt} />],
          [
            "Public keys",
            <span key="keys" className={styles.keys}>
              <a href={subscription.publicKeysPath} target="_blank" rel="noreferrer">
                JSON Web Key Set
              </a>
              <CopyButton
                text={`${location.origin}${subscription.publicKeysPath}`}
                label="Copy URL of public keys"
              />
            </span>,
          ],
        ]}
      />
    </Card>
  );
}

function Edit({ subscription, onDone }: { subscription: Subscription; onDone(): void }) {
  const [draft, setDraft] = useState(() => draftOf(subscription));
  const update = useMutation(SubscriptionService.method.updateSubscription, { onSuccess: onDone });
  return (
    <Card
      title="Edit"
      aside={
        <Button className={`${controls.button} ${controls.small}`} onPress={onDone}>
          Cancel
        </Button>
      }
    >
      <SubscriptionForm
        draft={draft}
        onChange={setDraft}
        submit="Save"
        hasSecret={subscription.hasSecret}
        isBusy={update.isPending}
        error={update.error}
        onSubmit={() => {
          const { rateLimit, ...request } = requestOf(draft);
          // A new rate begins anew, so it is sent only if it changed.
          const before = requestOf(draftOf(subscription)).rateLimit;
          const isRateChanged = rateLimit.perSecond !== before.perSecond || rateLimit.burst !== before.burst;
          const secret = newSecretOf(draft.secret, draft.more);
          const headerChanges = headerChangesOf(draft.more.headers, subscription.headerNames);
          update.mutate({
            id: subscription.id,
            ...request,
            ...(isRateChanged ? { rateLimit } : {}),
            ...(headerChanges === undefined ? {} : { headerChanges }),
            ...(secret === undefined ? {} : { secret }),
          });
        }}
      />
    </Card>
  );
}

function Actions(props: {
  subscription: Subscription;
  onEdit(): void;
  onChanged(): void;
  onResumed(): void;
}) {
  const { subscription, onEdit, onChanged, onResumed } = props;
  const { id, state } = subscription;
  const [, navigate] = useLocation();
  const pause = useMutation(SubscriptionService.method.pauseSubscription, { onSuccess: onChanged });
  const resume = useMutation(SubscriptionService.method.resumeSubscription, {
    onSuccess: () => {
      onResumed();
      onChanged();
    },
  });
  const end = useMutation(SubscriptionService.method.deleteSubscription);
  const queries = useQueryClient();
  const error = pause.error ?? resume.error;
  return (
    <>
      <ConfirmButton
        label="Delete"
        title="Delete this subscription?"
        confirmLabel="Delete"
        isDanger
        onConfirm={async () => {
          await end.mutateAsync({ id });
          navigate("/subscriptions");
          const queryKey = createConnectQueryKey({
            schema: SubscriptionService.method.listSubscriptions,
            cardinality: "finite",
          });
          await queries.invalidateQueries({ queryKey });
        }}
      >
        <p>This cancels its open deliveries and deletes its signing keys. It cannot be undone.</p>
      </ConfirmButton>
      <Button className={controls.button} onPress={onEdit}>
        <Pencil size={15} aria-hidden="true" /> Edit
      </Button>
      {state === SubscriptionState.ACTIVE ? (
        <Button className={controls.button} isDisabled={pause.isPending} onPress={() => pause.mutate({ id })}>
          <Pause size={15} aria-hidden="true" /> Pause
        </Button>
      ) : (
        <Button
          className={`${controls.button} ${controls.primary}`}
          isDisabled={resume.isPending}
          onPress={() => resume.mutate({ id })}
        >
          <Play size={15} aria-hidden="true" /> Resume
        </Button>
      )}
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
