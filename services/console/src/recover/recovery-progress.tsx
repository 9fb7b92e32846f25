import { type Recovery, RecoveryState } from "@posthaste/contracts/delivery";
import { ProgressBar } from "react-aria-components/ProgressBar";
import { percent } from "../parts/numbers.ts";
import styles from "./recovery-progress.module.css";

/**
 * Shows how far a recovery is; nothing if that is not known while it rests.
 *
 * @param total how many it will examine, if that is known
 */
export function RecoveryProgress({ recovery, total }: { recovery: Recovery; total: bigint | undefined }) {
  const { state, examined } = recovery;
  const isDone = state === RecoveryState.COMPLETED;
  const isKnown = total !== undefined && total > 0n;
  const share = isDone ? 1 : isKnown ? Math.min(1, Number(examined) / Number(total)) : undefined;
  const isIndeterminate = share === undefined && state === RecoveryState.RUNNING;
  // An empty bar would say that nothing was done.
  if (share === undefined && !isIndeterminate) return null;
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
