import { type Subscription, SubscriptionState } from "@posthaste/contracts/subscription";
import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { useAllSubscriptions } from "../api/subscriptions.ts";
import { useLiveInterval } from "../api/use-live-interval.ts";
import { SubscriptionBadge } from "../parts/badge.tsx";
import { Card } from "../parts/layout.tsx";
import { whole } from "../parts/numbers.ts";
import table from "../parts/table.module.css";
import { TargetLink } from "../parts/target-link.tsx";
import { Time } from "../parts/time.tsx";
import { waitingFor } from "../recover/selection.ts";
import { useKeptRow } from "../recover/use-kept-row.ts";
import { useSession } from "../session/session-context.tsx";
import styles from "./failing-subscriptions.module.css";
import { longestFailing } from "./longest-failing.ts";

/** Loaded if a subscription fails: its dialog's parts are a sixth of the first load. */
const SendAgainButton = lazy(async () => ({
  default: (await import("../recover/send-again.tsx")).SendAgainButton,
}));

/** The polling interval while deliveries change. */
const EVERY_MS = 10_000;
const SHOWN_MAX = 10;

/**
 * Lists at most 10 failing subscriptions, the longest failing first; nothing if there are none.
 *
 * @param props.children what follows the list. It is shown once their number is known, which would move it
 */
export function FailingSubscriptions({ children }: { children: React.ReactNode }) {
  const { can } = useSession();
  const refetchInterval = useLiveInterval(EVERY_MS);
  const { subscriptions, isComplete, isPending } = useAllSubscriptions({ failing: true, refetchInterval });
  const shown = longestFailing(subscriptions, SHOWN_MAX);
  const { rows, onDialog } = useKeptRow(shown, ({ id }) => id);
  const all = `${whole(subscriptions.length)}${isComplete ? "" : "+"}`;
  return (
    <>
      {rows.length > 0 && (
        <Card
          title="Failing subscriptions"
          className={styles.card}
          isFlush
          aside={
            <span>
              {shown.length < subscriptions.length && `The longest failing ${SHOWN_MAX} of ${all}. `}
              <Link href="/subscriptions?which=failing">All that are failing</Link>
            </span>
          }
        >
          <table className={`${table.table} ${table.stacked}`}>
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col" className={table.optional}>
                  State
                </th>
                <th scope="col">Failing since</th>
                {can("deliveries:write") && (
                  <th scope="col">
                    <span className="visually-hidden">Actions</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {rows.map((subscription) => (
                <Row
                  key={subscription.id}
                  subscription={subscription}
                  onDialog={(isOpen) => onDialog(subscription, isOpen)}
                />
              ))}
            </tbody>
          </table>
        </Card>
      )}
      {!isPending && children}
    </>
  );
}

function Row(props: { subscription: Subscription; onDialog(isOpen: boolean): void }) {
  const { subscription, onDialog } = props;
  const { id, state, failingSince } = subscription;
  const { can } = useSession();
  return (
    <tr>
      <td className={table.wide}>
        <TargetLink subscription={subscription} />
      </td>
      <td className={table.optional}>
        <SubscriptionBadge subscription={subscription} />
        {state === SubscriptionState.DISABLED && <span className="visually-hidden">, until resumed</span>}
      </td>
      <td data-label="Failing since">
        <Time at={failingSince} relative />
      </td>
      {can("deliveries:write") && (
        <td className={table.action}>
          <Suspense>
            <SendAgainButton
              label="Send what waits…"
              selection={waitingFor(id)}
              isSmall
              onOpenChange={onDialog}
            />
          </Suspense>
        </td>
      )}
    </tr>
  );
}
