import {
  type AccountId,
  type EventId,
  type LeftOutReason,
  MINUTE_MS,
  type RecoverableState,
  type RecoveryId,
  type RecoveryKind,
  type RecoveryState,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { lockAccount } from "../accounts/lock-account.ts";
import { type AuditedFields, auditedTime, enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { byIndex, inState } from "../database/by-index.ts";
import { contractIdOf, ID_SLACK_MS, leastDeliveryId, leastEventId } from "../database/ids.ts";
import type { ListByAccount, PageByAccount } from "../database/list-by-account.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import type { Traits } from "../deliveries/traits.ts";
import { resumeIn } from "../lifecycle/park-deliveries.ts";
import { hasEnded, lockSubscription } from "../subscriptions/lock-subscription.ts";
import { listUnstarted } from "./list-unstarted.ts";

/** A recovery of deliveries that failed or wait, or a replay of events from before a subscription. */
export type Recovery = {
  readonly id: RecoveryId;
  readonly accountId: AccountId;
  readonly kind: RecoveryKind;
  /** Null: every subscription of the account. */
  readonly subscriptionId: SubscriptionId | null;
  readonly state: RecoveryState;
  /** Inclusive. */
  readonly sinceAt: number;
  /** Exclusive. */
  readonly untilAt: number;
  readonly isDryRun: boolean;
  readonly ratePerSecond: number;
  readonly examined: number;
  readonly made: number;
  readonly leftOut: number;
  /** How many were left out, by reason. Those that an earlier release left out have none. */
  readonly leftOutBy: Readonly<Partial<Record<LeftOutReason, number>>>;
  readonly filter: RecoveryFilter;
  /** At most {@link PARKED_COUNTED_MAX}. */
  readonly parked: number;
  readonly createdAt: number;
  readonly endedAt: number | null;
};

/** What a recovery sends; a replay has no states, only event types. */
export type RecoveryFilter = Omit<Traits, "recoveryId"> & {
  /** Default: {@link FAILED_STATES}. */
  readonly states?: readonly RecoverableState[];
  /** Default: of any event. */
  readonly eventId?: EventId;
};

/** What a recovery sends by default: the schedule was used up, the target may not be called, or cancelled. */
export const FAILED_STATES = [
  "exhausted",
  "blocked",
  "cancelled",
] as const satisfies readonly RecoverableState[];

/**
 * Recoveries and replays of one account that have not ended. One examines thousands of deliveries a second,
 * and those of an account share their turns, so more would end none of them sooner.
 */
export const RECOVERIES_MAX = 10;
/** `Retry-After` of an account with that many: one of them may end soon. */
const ROOM_RETRY_AFTER_MS = MINUTE_MS;
/**
 * Counting reads an index entry per delivery, while the subscription's row is locked, and beyond this the
 * exact number says no more.
 */
const PARKED_COUNTED_MAX = 10_000;

/**
 * Creates a recovery or replay, which the worker then carries out. Recovering a paused or disabled
 * subscription resumes it.
 *
 * @throws Refusal `not_found` if the subscription does not exist, `wrong_state` if it has ended, `too_many`
 *   if {@link RECOVERIES_MAX} of the account have not ended, `unauthenticated` if its erasure has been
 *   requested
 */
export async function createRecovery(
  store: Store,
  input: {
    accountId: AccountId;
    kind: RecoveryKind;
    subscriptionId: SubscriptionId | null;
    sinceAt: number;
    untilAt: number;
    isDryRun: boolean;
    ratePerSecond: number;
    /** Default: every failed delivery; of a replay: every event. */
    filter?: RecoveryFilter;
    now: number;
    by?: By;
  },
): Promise<Recovery> {
  const { accountId, kind, subscriptionId, sinceAt, isDryRun, filter = {}, now, by = BY_PROGRAM } = input;
  return await transact(store, async (tx) => {
    // Held until the end: two calls do not both find the last room.
    await lockAccount(store, tx, accountId);
    await requireRoom(store, tx, accountId);
    let parked = 0;
    if (subscriptionId !== null) {
      const subscription = await lockSubscription(store, tx, accountId, subscriptionId);
      if (subscription === undefined) {
        throw new Refusal("not_found", `this account has no subscription ${subscriptionId}`, {
          field: "subscription_id",
        });
      }
      if (subscription.state === "ended") {
        throw hasEnded(subscriptionId, "subscription_id");
      }
      parked = await countParked(store, tx, subscriptionId);
      if (kind === "recover" && !isDryRun && subscription.state !== "active") {
        await resumeIn(tx, subscription, now, by);
      }
    }
    const from = Math.max(0, sinceAt - ID_SLACK_MS);
    const { insertId } = await tx
      .insertInto("recoveries")
      .values({
        account_id: accountId,
        kind,
        subscription_id: subscriptionId,
        state: "running",
        since_at: sinceAt,
        until_at: Math.min(input.untilAt, now),
        dry_run: isDryRun ? 1 : 0,
        rate_per_second: input.ratePerSecond,
        filter: Object.keys(filter).length === 0 ? null : JSON.stringify(filter),
        cursor_id: kind === "recover" ? leastDeliveryId(from) : leastEventId(from),
        examined: 0,
        made: 0,
        left_out: 0,
        parked,
        workflow_at: null,
        created_at: now,
        ended_at: null,
      })
      .executeTakeFirstOrThrow();
    const id = contractIdOf<RecoveryId>(insertId);
    const stored = tx.selectFrom("recoveries").selectAll().where("id", "=", id);
    const recovery = recoveryOf(await stored.executeTakeFirstOrThrow());
    const after = auditedRecovery(recovery);
    await enter(tx, [{ by, accountId, subject: "recovery", id, after, now }]);
    return recovery;
  });
}

function auditedRecovery(created: Recovery): AuditedFields {
  const { eventTypes: event_types, attemptsMin: attempts_min, eventId: event_id, ...filter } = created.filter;
  return {
    kind: created.kind,
    subscription_id: created.subscriptionId,
    since: auditedTime(created.sinceAt),
    until: auditedTime(created.untilAt),
    dry_run: created.isDryRun,
    rate_per_second: created.ratePerSecond,
    filter: { ...filter, event_types, attempts_min, event_id },
  };
}

/** @throws Refusal `too_many` */
async function requireRoom(store: Store, tx: Tx, accountId: AccountId): Promise<void> {
  const unfinished = await tx
    .selectFrom(byIndex(store, "recoveries", "recoveries_unstarted"))
    .select("id")
    .where("state", "in", ["running", "paused"])
    .where("account_id", "=", accountId)
    .limit(RECOVERIES_MAX)
    .execute();
  if (unfinished.length < RECOVERIES_MAX) return;
  throw new Refusal(
    "too_many",
    `this account has ${RECOVERIES_MAX} unfinished recoveries and replays, the maximum; wait until one ends, or cancel one`,
    {
      reason: "RECOVERIES_FULL",
      metadata: { limit: String(RECOVERIES_MAX) },
      retryAfterMs: ROOM_RETRY_AFTER_MS,
    },
  );
}

async function countParked(store: Store, tx: Tx, id: SubscriptionId): Promise<number> {
  const some = inState(store, tx, { subscriptionId: id, state: "parked" })
    .select("id")
    .limit(PARKED_COUNTED_MAX);
  const { counted } = await tx
    .selectFrom(some.as("some"))
    .select((eb) => eb.fn.countAll().as("counted"))
    .executeTakeFirstOrThrow();
  return Number(counted);
}

export async function getRecovery(
  store: Store,
  { accountId, id }: { accountId: AccountId; id: RecoveryId },
): Promise<Recovery | undefined> {
  const row = await store.db
    .selectFrom("recoveries")
    .selectAll()
    .where("id", "=", id)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  return row && recoveryOf(row);
}

/** Returns an account's recoveries before `before`, newest first. */
export async function listRecoveries(
  store: Store,
  { accountId, before, limit }: { accountId: AccountId; before?: RecoveryId; limit: number },
): Promise<Recovery[]> {
  let query = store.db
    .selectFrom("recoveries")
    .selectAll()
    .where("account_id", "=", accountId)
    .orderBy("id", "desc")
    .limit(limit);
  if (before !== undefined) query = query.where("id", "<", before);
  return (await query.execute()).map(recoveryOf);
}

/**
 * Pauses, resumes or cancels a recovery. Doing so twice changes nothing.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the recovery has ended in another way
 */
export async function changeRecovery(
  store: Store,
  {
    accountId,
    id,
    to,
    now,
    by = BY_PROGRAM,
  }: {
    accountId: AccountId;
    id: RecoveryId;
    to: "running" | "paused" | "cancelled";
    now: number;
    by?: By;
  },
): Promise<Recovery | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("recoveries").selectAll();
    const own = query.where("id", "=", id).where("account_id", "=", accountId);
    const row = await lockRows(store, own).executeTakeFirst();
    if (row === undefined || row.state === to) return row && recoveryOf(row);
    if (row.state !== "running" && row.state !== "paused") {
      throw new Refusal("wrong_state", `recovery ${id} is ${row.state}`, { field: "id" });
    }
    const changed = { state: to, ended_at: to === "cancelled" ? now : null };
    await tx.updateTable("recoveries").set(changed).where("id", "=", id).execute();
    // A count has another meaning, although nothing else of it changes.
    const count = row.dry_run === 1 ? { dry_run: true } : {};
    const change = { before: { state: row.state }, after: { state: to, ...count } };
    await enter(tx, [{ by, accountId, subject: "recovery", id, ...change, now }]);
    return recoveryOf({ ...row, ...changed });
  });
}

/** Lists running and paused recoveries whose workflow is not known to run, by account. */
export async function listUnstartedRecoveries(
  store: Store,
  { now, ...page }: PageByAccount<RecoveryId> & { readonly now: number },
): Promise<ListByAccount<RecoveryId>> {
  return await listUnstarted(store, { table: "recoveries", states: ["running", "paused"], now }, page);
}

/** Notes that the recovery's workflow was started, or has just worked. */
export async function markRecoveryStarted(
  store: Store,
  { id, now }: { id: RecoveryId; now: number },
): Promise<void> {
  await store.db.updateTable("recoveries").set({ workflow_at: now }).where("id", "=", id).execute();
}

export function recoveryOf(row: Selectable<Tables["recoveries"]>): Recovery {
  return {
    id: row.id,
    accountId: row.account_id,
    kind: row.kind,
    subscriptionId: row.subscription_id,
    state: row.state,
    sinceAt: row.since_at,
    untilAt: row.until_at,
    isDryRun: row.dry_run === 1,
    ratePerSecond: row.rate_per_second,
    examined: row.examined,
    made: row.made,
    leftOut: row.left_out,
    leftOutBy: row.left_out_by === null ? {} : JSON.parse(row.left_out_by),
    filter: row.filter === null ? {} : JSON.parse(row.filter),
    parked: row.parked,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}
