import {
  type AccountId,
  type DisableRule,
  isOperational,
  isToBeDisabled,
  type Outcome,
  type SubscriptionId,
  verdictOf,
  withoutQuery,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { type AuditedChange, enter } from "../audit/audit.ts";
import { byPosthaste } from "../audit/by.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import { updateRows } from "../database/update-rows.ts";
import { type Raised, type RaisedFor, raiseEvents } from "../ingest/raise-events.ts";
import { endIn } from "./end-subscription.ts";

const GONE = "the receiver answered 410";
/** Subscriptions ended in one statement, with up to 64 event types each. */
const ENDED_AT_ONCE = 15;

/** The facts about an attempt that its subscription's health depends on. */
export type AttemptFinding = {
  readonly delivery: Pick<
    Selectable<Tables["deliveries"]>,
    "id" | "account_id" | "event_id" | "event_type" | "subscription_id"
  >;
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly number: number;
  /** The attempt was the last of the schedule. */
  readonly isExhausted: boolean;
  readonly rule: DisableRule;
  readonly now: number;
};

type Health = Pick<
  Selectable<Tables["subscriptions"]>,
  "failing_since" | "exhausted" | "state" | "draining" | "updated_at"
>;

/** The subscriptions that a transaction has locked, as they are after what it has found. */
export type LockedSubscriptions = Map<SubscriptionId, Selectable<Tables["subscriptions"]>>;

/**
 * Updates subscriptions' health after attempts, within the attempts' transaction: they start to fail,
 * recover, are disabled or end. Raises the operational events of these changes, except for deliveries of
 * operational events: a failing receiver of them would cause ever more of them.
 *
 * What counts is the order in which attempts are recorded: a success that is recorded after a failure ends
 * the failing, whichever of the two requests began first.
 *
 * The other deliveries of a subscription that is disabled or ends are moved later, since the attempts of
 * others wait to be recorded: claims park them (see `claim-deliveries.ts`), and upkeep cancels them (see
 * {@link finishEnd}).
 *
 * @param locked must contain the attempts' subscriptions, unless they do not exist. It is kept up to date
 */
export async function noteHealth(
  store: Store,
  tx: Tx,
  findings: readonly AttemptFinding[],
  locked: LockedSubscriptions,
): Promise<void> {
  const noted: Noted = { health: new Map(), ended: new Set(), raised: [], audited: [] };
  for (const finding of findings) noteOne(finding, locked, noted);
  const rows = [...noted.health].map(([key, values]) => ({ key, values }));
  await updateRows(tx, "subscriptions", "id", rows);
  const ended = [...noted.ended];
  const now = Math.max(...findings.map((finding) => finding.now));
  for (let from = 0; from < ended.length; from += ENDED_AT_ONCE) {
    await endIn(tx, ended.slice(from, from + ENDED_AT_ONCE), GONE, now);
  }
  await enter(tx, noted.audited);
  // After the states, by which their receivers are chosen. Together, since each has deliveries of its own.
  await raiseEvents(store, tx, noted.raised);
}

/** What a group of attempts changes; it is written at once. */
type Noted = {
  readonly health: Map<SubscriptionId, Partial<Health>>;
  readonly ended: Set<SubscriptionId>;
  readonly raised: RaisedFor[];
  readonly audited: AuditedChange[];
};

function noteOne(
  finding: AttemptFinding,
  locked: LockedSubscriptions,
  { health, ended, raised, audited }: Noted,
): void {
  const success = finding.outcome === "accepted";
  const id = finding.delivery.subscription_id;
  const before = locked.get(id);
  if (before === undefined || before.state === "ended") return;
  const { now } = finding;
  const set = (values: Partial<Health>) => {
    locked.set(id, { ...before, ...locked.get(id), ...values });
    health.set(id, { ...health.get(id), ...values });
  };
  const raise = (event: Raised) => {
    if (isOperational(finding.delivery.event_type)) return;
    raised.push({ accountId: finding.delivery.account_id as AccountId, event, now });
  };
  const audit = (state: "disabled" | "ended", reason: object) => {
    const [change, by] = [{ before: { state: before.state } }, byPosthaste(`subscription_${state}`)];
    const of = { accountId: before.account_id, subject: "subscription", id } as const;
    audited.push({ by, ...of, ...change, after: { state, ...reason }, now });
  };
  if (verdictOf(finding.outcome) === "end_subscription") {
    ended.add(id);
    locked.set(id, { ...before, state: "ended" });
    audit("ended", { ended_reason: GONE });
    raise({ type: "subscription_ended", data: subscriptionData(before, "ended", GONE) });
    return;
  }
  if (success) {
    if (before.failing_since === null) return;
    set({ failing_since: null, exhausted: 0 });
    // A single failed attempt is normal. The owner was told only if a delivery was exhausted.
    if (before.exhausted > 0) {
      const data = {
        ...subscriptionData(before, before.state, "a delivery succeeded"),
        FailingSince: null,
        ExhaustedDeliveries: 0,
      };
      raise({ type: "subscription_recovered", data });
    }
    return;
  }
  const failing = {
    failing_since: before.failing_since ?? now,
    exhausted: before.exhausted + (finding.isExhausted ? 1 : 0),
  };
  if (before.failing_since === null || finding.isExhausted) set(failing);
  if (!finding.isExhausted) return;
  raise({ type: "delivery_exhausted", data: deliveryData(finding, before.target_url) });
  const sinceMs = Math.max(failing.failing_since, before.resumed_at ?? 0);
  const counted = { sinceMs, exhausted: failing.exhausted };
  if (before.state !== "active" || !isToBeDisabled(finding.rule, counted, now)) return;
  set({ state: "disabled", draining: 0, updated_at: now });
  const reason = `no delivery succeeded since ${new Date(failing.failing_since).toISOString()}`;
  audit("disabled", { disabled_reason: reason });
  raise({
    type: "subscription_disabled",
    data: subscriptionData({ ...before, ...failing }, "disabled", reason),
  });
}

function subscriptionData(
  row: Pick<Selectable<Tables["subscriptions"]>, "id" | "target_url" | "failing_since" | "exhausted">,
  state: string,
  reason: string,
) {
  return {
    SubscriptionID: row.id,
    TargetURL: withoutQuery(row.target_url),
    State: state,
    FailingSince: row.failing_since === null ? null : new Date(row.failing_since).toISOString(),
    ExhaustedDeliveries: row.exhausted,
    Reason: reason,
  };
}

function deliveryData({ delivery, outcome, status, number }: AttemptFinding, targetUrl: string) {
  return {
    DeliveryID: delivery.id,
    EventID: delivery.event_id,
    EventType: delivery.event_type,
    SubscriptionID: delivery.subscription_id,
    TargetURL: withoutQuery(targetUrl),
    Attempts: number,
    LastOutcome: outcome,
    LastStatus: status,
  };
}
