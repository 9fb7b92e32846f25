import { DAY_MS } from "@posthaste/domain";
import { isoTime } from "@posthaste/runtime";
import {
  isDatabaseAway,
  RETENTION_KINDS,
  type RetentionAges,
  type RetentionKind,
  retain,
} from "@posthaste/store";
import type { RetainInput, RetainStep } from "../names.ts";
import { fault } from "./failures.ts";
import type { AttemptDeps } from "./make-attempt.ts";

/**
 * The default ages. Changes are kept for three days, so that a follower may be down over a weekend, and the
 * audit log for a year and a month, which an audit usually covers.
 */
export const RETENTION_AGES: RetentionAges = {
  events: 90 * DAY_MS,
  attempts: 30 * DAY_MS,
  idempotency_keys: 7 * DAY_MS,
  changes: 3 * DAY_MS,
  removed_event_types: 90 * DAY_MS,
  audit_entries: 400 * DAY_MS,
};

/**
 * The number of transactions in one activity. An activity costs Temporal as much as 100 small deletions cost
 * the database.
 */
const TRANSACTIONS_AT_ONCE = 20;

type Deps = Pick<AttemptDeps, "store" | "log" | "now" | "observer">;

/**
 * Deletes some of the rows that have reached their age. If rows of a kind cannot be deleted, the other kinds
 * follow, and the next run tries again.
 *
 * @throws ApplicationFailure if the database is unavailable; Temporal retries it until the run's time limit
 */
export async function retainStep(
  deps: Deps,
  ages: RetentionAges,
  { kind: wanted, cursor: from = "", deleted: before }: RetainInput,
): Promise<RetainStep> {
  const kind = RETENTION_KINDS.find((known) => known === wanted) ?? RETENTION_KINDS[0];
  const { deleted, cursor } = await deleteSome(deps, { kind, age: ages[kind], from });
  const total = { ...before, [kind]: (before?.[kind] ?? 0) + deleted };
  const summary = `deleted by retention: ${RETENTION_KINDS.map((name) => `${total[name] ?? 0} ${name}`).join(", ")}`;
  if (cursor !== undefined) return { next: { kind, cursor, deleted: total }, summary };
  const following = RETENTION_KINDS[RETENTION_KINDS.indexOf(kind) + 1];
  return following === undefined
    ? { summary }
    : { next: { kind: following, cursor: "", deleted: total }, summary };
}

/** Returns how many rows were deleted, and where the next step starts; undefined: with the next kind. */
async function deleteSome(
  { store, log, now, observer }: Deps,
  { kind, age, from }: { kind: RetentionKind; age: number; from: string },
): Promise<{ deleted: number; cursor: string | undefined }> {
  let cursor: string | undefined = from;
  let deleted = 0;
  try {
    const nowMs = await now();
    for (let count = 0; count < TRANSACTIONS_AT_ONCE && cursor !== undefined; count++) {
      const step = await retain(store, { kind, before: nowMs - age, now: nowMs, cursor });
      const { leftOut, uncountedSince } = step;
      if (leftOut !== undefined) log.error("retention.left_out", leftOut.error, { kind, id: leftOut.item });
      if (uncountedSince !== undefined) {
        log.warn("retention.uncounted", { kind, since: isoTime(uncountedSince) });
      }
      deleted += step.deleted;
      cursor = step.cursor;
    }
  } catch (error) {
    log.error("retention.faulted", error, { kind });
    if (await isDatabaseAway(store, error)) throw fault("the worker or its database failed");
    cursor = undefined;
  }
  if (deleted > 0) {
    log.info("retention.advanced", { kind, deleted });
    observer?.deleted(kind, deleted);
  }
  return { deleted, cursor };
}
