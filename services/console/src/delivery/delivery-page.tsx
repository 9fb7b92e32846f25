import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { type Delivery, DeliveryService, DeliveryState } from "@posthaste/contracts/delivery";
import { useQueryClient } from "@tanstack/react-query";
import { ExternalLink, RotateCw, Send } from "lucide-react";
import { useCallback } from "react";
import { Button } from "react-aria-components/Button";
import { Link, useLocation } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { useWatch } from "../api/use-watch.tsx";
import { answerOf, DeliveryBadge } from "../parts/badge.tsx";
import { ConfirmButton } from "../parts/confirm.tsx";
import controls from "../parts/controls.module.css";
import { CopyButton } from "../parts/copy-button.tsx";
import { ErrorNote } from "../parts/error-note.tsx";
import { Card, Facts, PageHeader, Skeleton } from "../parts/layout.tsx";
import { Time, TimeAhead } from "../parts/time.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./delivery-page.module.css";
import { Timeline } from "./timeline.tsx";

const { getDelivery, listAttempts, getEvent } = DeliveryService.method;
/** The polling interval, which applies whether or not a stream is open. */
const EVERY_MS = 10_000;

export function DeliveryPage({ id }: { id: string }) {
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery(getDelivery, { id }, { refetchInterval: EVERY_MS });
  const attempts = useQuery(listAttempts, { deliveryId: id }, { refetchInterval: EVERY_MS });
  const delivery = data?.delivery;
  const event = useQuery(
    getEvent,
    { id: delivery?.eventId ?? "" },
    { enabled: delivery !== undefined, staleTime: Number.POSITIVE_INFINITY, retry: false },
  );
  const refresh = useCallback(() => {
    const cardinality = "finite";
    void queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema: getDelivery, cardinality }) });
    void queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: listAttempts, cardinality }),
    });
  }, [queries]);
  useWatch(
    useCallback(
      (changes) => {
        if (changes.length === 0 || changes.some(({ deliveryId }) => deliveryId === id)) refresh();
      },
      [id, refresh],
    ),
  );
  if (delivery === undefined) {
    return (
      <>
        <PageHeader title="Delivery" />
        {error === null ? (
          <Skeleton lines={10} />
        ) : (
          <ErrorNote error={error} onRetry={() => void refetch()} />
        )}
      </>
    );
  }
  return (
    <>
      <PageHeader
        name={`${delivery.eventType} ${delivery.id}`}
        title={
          <>
            {delivery.eventType}
            <DeliveryBadge delivery={delivery} />
          </>
        }
        about={
          <span className={styles.id}>
            <span className="mono">{delivery.id}</span>
            <CopyButton text={delivery.id} label="Copy delivery ID" />
          </span>
        }
      >
        <Actions delivery={delivery} onChanged={refresh} />
      </PageHeader>
      <DeliveryFacts delivery={delivery} resentAs={data?.resentAs ?? ""} />
      {attempts.error !== null && (
        <ErrorNote error={attempts.error} onRetry={() => void attempts.refetch()} />
      )}
      {attempts.data === undefined ? (
        <Skeleton lines={6} />
      ) : (
        <Timeline
          delivery={delivery}
          attempts={attempts.data.attempts}
          planned={attempts.data.planned}
          body={event.data === undefined ? undefined : `[${event.data.dataJson}]`}
        />
      )}
    </>
  );
}

function DeliveryFacts({ delivery, resentAs }: { delivery: Delivery; resentAs: string }) {
  const subscriptions = useSubscriptions();
  return (
    <Card className={styles.facts}>
      <Facts
        facts={[
          [
            "Subscription",
            <Link key="link" href={`/subscriptions/${delivery.subscriptionId}`}>
              {targetName(subscriptions, delivery.subscriptionId)}
            </Link>,
          ],
          [
            "Event",
            <Link key="id" href={`/events/${delivery.eventId}`} className="mono">
              {delivery.eventId}
            </Link>,
          ],
          ["Last outcome", answerOf(delivery.lastOutcome, delivery.lastStatus)],
          ["Attempts", `${delivery.attempts} of ${delivery.test ? 1 : 14}`],
          ["Created", <Time key="created" at={delivery.createdAt} />],
          delivery.nextAttemptAt === undefined
            ? [
                "Ended",
                delivery.endedAt === undefined ? "not yet" : <Time key="ended" at={delivery.endedAt} />,
              ]
            : ["Next attempt", <TimeAhead key="next" at={delivery.nextAttemptAt} />],
        ]}
      />
      <Relatives delivery={delivery} resentAs={resentAs} />
      {delivery.endedReason !== "" && <p className={styles.reason}>Reason: {delivery.endedReason}.</p>}
    </Card>
  );
}

/** Links a delivery with the one that it sends again, and the one that sends it again. */
function Relatives({
  delivery: { resendOf, recoveryId },
  resentAs,
}: {
  delivery: Delivery;
  resentAs: string;
}) {
  return (
    <>
      {resendOf !== "" && (
        <p className={styles.reason}>
          Sends <DeliveryLink id={resendOf} /> again.
        </p>
      )}
      {resentAs !== "" && (
        <p className={styles.reason}>
          Sent again as <DeliveryLink id={resentAs} />.
        </p>
      )}
      {recoveryId !== 0 && (
        <p className={styles.reason}>
          Part of <Link href={`/deliveries?recovery=${recoveryId}`}>recovery {recoveryId}</Link>.
        </p>
      )}
    </>
  );
}

function DeliveryLink({ id }: { id: string }) {
  return (
    <Link href={`/deliveries/${id}`} className="mono">
      {id}
    </Link>
  );
}

const OPEN: ReadonlySet<DeliveryState> = new Set([
  DeliveryState.PENDING,
  DeliveryState.STARTED,
  DeliveryState.PARKED,
]);

function Actions({ delivery, onChanged }: { delivery: Delivery; onChanged(): void }) {
  const { can } = useSession();
  const [, navigate] = useLocation();
  const retry = useMutation(DeliveryService.method.retryDelivery, { onSuccess: onChanged });
  const resend = useMutation(DeliveryService.method.resendDelivery, {
    onSuccess: ({ delivery: sent }) => {
      if (sent !== undefined) navigate(`/deliveries/${sent.id}`);
    },
  });
  const cancel = useMutation(DeliveryService.method.cancelDelivery, { onSuccess: onChanged });
  const isOpen = OPEN.has(delivery.state);
  const error = retry.error ?? resend.error;
  const mayWrite = can("deliveries:write");
  return (
    <>
      {delivery.workflowUrl !== "" && (
        <a className={controls.button} href={delivery.workflowUrl} target="_blank" rel="noreferrer">
          <ExternalLink size={15} aria-hidden="true" /> Temporal
        </a>
      )}
      {mayWrite && isOpen && (
        <ConfirmButton
          label="Cancel"
          title="Cancel this delivery?"
          confirmLabel="Cancel delivery"
          dismissLabel="Keep delivery"
          isDanger
          onConfirm={() => cancel.mutateAsync({ id: delivery.id })}
        >
          <p>
            No further attempts start. An attempt in progress finishes and is logged. You can send the
            delivery again later.
          </p>
        </ConfirmButton>
      )}
      {mayWrite && delivery.state === DeliveryState.SUCCEEDED && (
        <ConfirmButton
          label="Send again"
          title="Send again what was accepted?"
          confirmLabel="Send again"
          onConfirm={() => resend.mutateAsync({ id: delivery.id })}
        >
          <p>
            The receiver has accepted this delivery. It gets the event once more, with the same webhook-id.
          </p>
        </ConfirmButton>
      )}
      {mayWrite && delivery.state !== DeliveryState.SUCCEEDED && (
        <Button
          className={controls.button}
          isDisabled={resend.isPending || isOpen}
          onPress={() => resend.mutate({ id: delivery.id })}
        >
          <Send size={15} aria-hidden="true" /> Send again
        </Button>
      )}
      {mayWrite && delivery.state === DeliveryState.STARTED && (
        <Button
          className={`${controls.button} ${controls.primary}`}
          isDisabled={retry.isPending}
          onPress={() => retry.mutate({ id: delivery.id })}
        >
          <RotateCw size={15} aria-hidden="true" /> Retry now
        </Button>
      )}
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
