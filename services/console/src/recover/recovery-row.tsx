import { useMutation } from "@connectrpc/connect-query";
import { DeliveryService, type Recovery, RecoveryKind, RecoveryState } from "@posthaste/contracts/delivery";
import { Button } from "react-aria-components/Button";
import { Link } from "wouter";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { Badge } from "../parts/badge.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { whole } from "../parts/numbers.ts";
import { Time } from "../parts/time.tsx";
import type { Tone } from "../parts/tone.ts";
import { useSession } from "../session/session-context.tsx";
import { filterInWords } from "./filter-in-words.ts";
import { whyLeftOut } from "./left-out.ts";
import { RecoveryProgress } from "./recovery-progress.tsx";
import styles from "./recovery-row.module.css";
import { totalOf } from "./total-of.ts";

const STATES = {
  [RecoveryState.UNSPECIFIED]: ["Unknown", "grey"],
  [RecoveryState.RUNNING]: ["Running", "blue"],
  [RecoveryState.PAUSED]: ["Paused", "amber"],
  // Not green: it says nothing of what came of the deliveries.
  [RecoveryState.COMPLETED]: ["Completed", "grey"],
  [RecoveryState.CANCELLED]: ["Cancelled", "grey"],
} as const satisfies Record<RecoveryState, readonly [string, Tone]>;

/** Shows a recovery, its progress and its actions. */
export function RecoveryRow(props: {
  recovery: Recovery;
  all: readonly Recovery[];
  /** Whose it is, for an operator. Default: the reader's. */
  owner?: React.ReactNode;
  onChanged(): void;
}) {
  const { recovery, all, owner, onChanged } = props;
  const { id, kind, state, subscriptionId, since, until, createdAt, ratePerSecond } = recovery;
  const { examined, made, leftOut, leftOutBy, parked } = recovery;
  const { can } = useSession();
  const subscriptions = useSubscriptions();
  const options = { onSuccess: onChanged };
  const pause = useMutation(DeliveryService.method.pauseRecovery, options);
  const resume = useMutation(DeliveryService.method.resumeRecovery, options);
  const cancel = useMutation(DeliveryService.method.cancelRecovery, options);
  const [name, tone] = STATES[state];
  const isOpen = state === RecoveryState.RUNNING || state === RecoveryState.PAUSED;
  const error = pause.error ?? resume.error ?? cancel.error;
  return (
    <li className={styles.row}>
      <p className={styles.head}>
        <strong>
          {kind === RecoveryKind.REPLAY ? "Replay" : "Recovery"} {id}
        </strong>
        {owner}
        <Badge tone={tone}>{name}</Badge>
        <span className={styles.when}>
          <Time at={createdAt} relative />
        </span>
      </p>
      <p className={styles.about}>
        {subscriptionId === 0 ? "All subscriptions" : targetName(subscriptions, subscriptionId)}, from{" "}
        {since?.seconds === 0n ? "the beginning" : <Time at={since} />} to <Time at={until} />
        {filterInWords(recovery).map((words) => `, ${words}`)}, at most {whole(ratePerSecond)} per second
      </p>
      <RecoveryProgress recovery={recovery} total={totalOf(recovery, all)} />
      <p className={styles.counts}>
        {whole(examined)} examined, <strong>{whole(made)}</strong> sent
        {parked > 0n && `, ${whole(parked)} parked drained`}
        {leftOut > 0n && `. Left out: ${whyLeftOut(leftOutBy, leftOut)}`}.{" "}
        {made > 0n && <Link href={`/deliveries?recovery=${id}`}>See the deliveries</Link>}
      </p>
      {isOpen && can("deliveries:write") && (
        <div className={styles.actions}>
          {state === RecoveryState.RUNNING ? (
            <Button className={`${controls.button} ${controls.small}`} onPress={() => pause.mutate({ id })}>
              Pause
            </Button>
          ) : (
            <Button className={`${controls.button} ${controls.small}`} onPress={() => resume.mutate({ id })}>
              Resume
            </Button>
          )}
          <Button
            className={`${controls.button} ${controls.small} ${controls.danger}`}
            onPress={() => cancel.mutate({ id })}
          >
            Cancel
          </Button>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
    </li>
  );
}
