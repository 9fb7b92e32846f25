import type { Log } from "@posthaste/runtime";

/** What could not be done for a row that was set aside: the label `work` of log lines and metrics. */
export const SET_ASIDE_WORK = [
  /** A subscription's deliveries, or one of them, could not be claimed. */
  "claim",
  /** A claim could not be renewed, released or marked as started. */
  "lease",
  /** A delivery's workflow could not be started. */
  "start",
  /** An overdue delivery could not be examined or repaired. */
  "reconcile",
  /** The workflow of a recovery or replay could not be started. */
  "recovery",
  /** The workflow of an erasure could not be started. */
  "erasure",
  /** A change could not be numbered. */
  "order_changes",
  /** Changes could not be added to an account's counters. */
  "count_changes",
] as const;
export type SetAsideWork = (typeof SET_ASIDE_WORK)[number];

/** A row for which the work failed. */
export type Refused = { readonly item: string | number; readonly error: unknown };

/** Reports the rows that a round sets aside, so that an operator sees which rows and why. */
export type ReportSetAside = (work: SetAsideWork, refused: readonly Refused[]) => void;

/**
 * Lines per report. Rows that fail for one reason share a line, so more means that each has a reason of its
 * own.
 */
const LINES_MAX = 10;
/** Ids in a line: all of a batch, at about 30 bytes each. */
const IDS_MAX = 100;

/**
 * Creates a {@link ReportSetAside}. It logs `work.set_aside` with the error and the ids of the rows, a line
 * for each reason.
 *
 * @param onSetAside called with the number of rows, for the metrics
 */
export function createReportSetAside(
  log: Log,
  onSetAside: (work: SetAsideWork, count: number) => void = () => {},
): ReportSetAside {
  return (work, refused) => {
    if (refused.length === 0) return;
    onSetAside(work, refused.length);
    const reasons = [...byReason(refused)];
    for (const [n, { error, ids }] of reasons.slice(0, LINES_MAX).entries()) {
      const isLast = n === LINES_MAX - 1 && reasons.length > LINES_MAX;
      const unlisted = isLast ? { furtherReasons: reasons.length - LINES_MAX } : {};
      log.error("work.set_aside", error, {
        work,
        count: ids.length,
        ids: ids.slice(0, IDS_MAX),
        ...unlisted,
      });
    }
  };
}

function byReason(refused: readonly Refused[]): Iterable<{ error: unknown; ids: (string | number)[] }> {
  const reasons = new Map<string, { error: unknown; ids: (string | number)[] }>();
  for (const { item, error } of refused) {
    // Most messages name their row, which must not make each a reason of its own.
    const reason = String(error).replaceAll(String(item), "");
    const same = reasons.get(reason);
    if (same === undefined) reasons.set(reason, { error, ids: [item] });
    else same.ids.push(item);
  }
  return reasons.values();
}
