import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { DeliveryService, type Recovery, RecoveryKind, RecoveryState } from "@posthaste/contracts/delivery";
import { Button } from "react-aria-components/Button";
import { ProgressBar } from "react-aria-components/ProgressBar";
import { targetName, useSubscriptions } from "../api/subscriptions.ts";
import { Badge, type Tone } from "../parts/badge.tsx";
import controls from "../parts/controls.module.css";
import { ErrorNote } from "../parts/error-note.tsx";
import { percent, whole } from "../parts/numbers.ts";
import { Time } from "../parts/time.tsx";
import { useSession } from "../session/session-context.tsx";
import styles from "./recovery-row.module.css";

const STATES = {
  [RecoveryState.UNSPECIFIED]: ["Unknown", "grey"],
  [RecoveryState.RUNNING]: ["Running", "blue"],
  [RecoveryState.PAUSED]: ["Paused", "amber"],
  [RecoveryState.COMPLETED]: ["Completed", "green"],
  [RecoveryState.CANCELLED]: ["Cancelled", "grey"],
} as const satisfies Record<RecoveryState, readonly [string, Tone]>;

/** Shows a recovery, its progress and its actions. */
export function RecoveryRow(props: { recovery: Recovery; all: readonly Recovery[]; onChanged(): void }) {
  const { recovery, all, onChanged } = props;
  const { id, kind, state, dryRun, examined, made, leftOut, parked, since, createdAt, subscriptionId } =
    recovery;
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
        <strong>{dryRun ? "Dry run" : kind === RecoveryKind.REPLAY ? "Replay" : "Recovery"}</strong>
        <Badge tone={tone}>{name}</Badge>
        <span className={styles.when}>
          <Time at={createdAt} relative />
        </span>
      </p>
      <p className={styles.about}>
        {subscriptionId === 0 ? "All subscriptions" : targetName(subscriptions, subscriptionId)}, since{" "}
        <Time at={since} />
      </p>
      <Progress recovery={recovery} total={totalOf(recovery, all)} />
      <p className={styles.counts}>
        {whole(examined)} examined, <strong>{whole(made)}</strong> {dryRun ? "would be sent" : "sent again"},{" "}
        {whole(leftOut)} skipped{parked > 0n && `, ${whole(parked)} parked drained`}
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

function Progress({ recovery, total }: { recovery: Recovery; total: bigint | undefined }) {
  const { state, examined } = recovery;
  const isDone = state === RecoveryState.COMPLETED;
  const share = isDone ? 1 : total === undefined ? undefined : Math.min(1, Number(examined) / Number(total));
  const isIndeterminate = share === undefined && state === RecoveryState.RUNNING;
  return (
    <ProgressBar
      aria-label="Progress"
      className={styles.progress}
      isIndeterminate={isIndeterminate}
      value={share ?? 0}
      maxValue={1}
      valueLabel={share === undefined ? "unknown" : percent(share)}
    >
      {({ percentage = 0 }) => (
        <span className={styles.track}>
          <span
            className={`${styles.fill} ${isIndeterminate ? styles.moving : ""}`}
            style={isIndeterminate ? undefined : { width: `${percentage}%` }}
          />
        </span>
      )}
    </ProgressBar>
  );
}

/**
 * Returns the number of items to examine, as counted by a completed dry run of the same recovery. Undefined
 * if the list has no such dry run.
 */
function totalOf(recovery: Recovery, all: readonly Recovery[]): bigint | undefined {
  const same = all.find(
    (one) =>
      one.dryRun &&
      one.state === RecoveryState.COMPLETED &&
      one.id !== recovery.id &&
      one.kind === recovery.kind &&
      one.subscriptionId === recovery.subscriptionId &&
      one.since !== undefined &&
      recovery.since !== undefined &&
      timestampMs(one.since) === timestampMs(recovery.since) &&
      one.examined > 0n,
  );
  return same?.examined;
}
