import { MINUTE_MS } from "@posthaste/domain";
import type { Seen } from "../receivers.ts";
import { snapshotOf } from "../traffic/numbers.ts";
import type { Facts, StoredAttempt, StoredChange, StoredDelivery, StoredRecovery, Waiting } from "./facts.ts";

export const NOW = 10_000_000;
export const AT = 9_000_000;
export const [GOOD, HOSTILE, ERASED] = [1, 2, 3];
export const URL = "http://127.0.0.1:1/0";

export const delivery = (over: Partial<StoredDelivery & { isDeleted: boolean }> = {}) => ({
  ...{ id: "dlv_0", account_id: GOOD, event_id: "evt_0", event_type: "invoice_sent", subscription_id: 1 },
  ...{ state: "succeeded", attempts: 1, next_attempt_at: null, reconcile_after: null, created_at: AT },
  ...{ started_at: null, ended_reason: null, recovery_id: null, isDeleted: false },
  ...over,
});
export const attempt = (over: Partial<StoredAttempt> = {}) => ({
  ...{ delivery_id: "dlv_0", number: 1, account_id: GOOD, outcome: "accepted", status: 200 },
  target_url: URL,
  ...{ started_at: AT, duration_ms: 5, retry_after_ms: null, isDeleted: false },
  ...over,
});
export const change = (over: Partial<StoredChange> = {}) => ({
  ...{ id: 1, batch: 1, account_id: GOOD, delivery_id: "dlv_0", event_id: "evt_0", subscription_id: 1 },
  ...{ cause: "ingested", state: "pending", attempts: 0, attempt_ms: null, last_outcome: null },
  ...{ changed_at: AT, isDeleted: false },
  ...over,
});
export const succeeded = change({
  ...{ id: 2, cause: "attempt_succeeded", state: "succeeded", attempts: 1 },
  ...{ attempt_ms: 5, last_outcome: "accepted" },
});
export const seen = (over: Partial<Seen> = {}, receivedAt = AT): Seen => ({
  ...{ character: "steady", eventId: "evt_0", deliveryId: "dlv_0", attempt: 1, answered: 200 },
  request: { method: "POST", path: "/", headers: {}, receivedAt, body: Buffer.from(`[${snapshotOf(0)}]`) },
  ...over,
});
/** This many attempts, each of which was sent again 20 ms later. */
export const sentTwice = (count: number, from = AT) =>
  Array.from({ length: count }, (_, i) => [from, from + 20].map((at) => seen({ attempt: i + 1 }, at))).flat();
/** A delivery that waits for its first retry. */
export const waiting = (over: Partial<Waiting> = {}): Waiting => ({
  ...{ id: "dlv_0", state: "started", attempts: 1, at: NOW },
  ...{ next_attempt_at: NOW + 10 * MINUTE_MS, reconcile_after: NOW + 12 * MINUTE_MS },
  ...over,
});
/** Requests to a receiver of the hostile account, a millisecond apart. */
export const others = (count: number, from = AT) =>
  Array.from({ length: count }, (_, i) => seen({ character: "wide", deliveryId: "dlv_1" }, from + i));
const event = { id: "evt_0", account_id: GOOD, event_type: "invoice_sent", created_at: AT, isDeleted: false };
export const counts = (spanMs: number, over: { attempts?: number } = {}) => ({
  ...{ account_id: GOOD, span_ms: spanMs, from_at: Math.floor(AT / spanMs) * spanMs },
  ...{ events: 1, deliveries: 1, succeeded: 1, failed: 0, attempts: 1, accepted: 1 },
  ...over,
});
export const subscription = {
  ...{ id: 1, account_id: GOOD, target_url: URL, state: "active" },
  ...{ draining: 0, ending: 0, ended_at: null },
};
export const known = { account: "good", eventType: "invoice_sent", knownAt: 0, secret: undefined } as const;

export const recovery = (over: Partial<StoredRecovery> = {}): StoredRecovery => ({
  ...{ id: 1, account_id: GOOD, kind: "recover", subscription_id: null, state: "completed" },
  ...{ until_at: NOW, created_at: AT, ended_at: AT },
  ...over,
});

/** One event to one steady receiver, without a problem. */
export const FACTS: Facts = {
  accepted: [
    { account: "good", n: 0, eventId: "evt_0", eventType: "invoice_sent", sentAt: AT, acceptedAt: AT },
  ],
  known: new Map([[1, { ...known, character: "steady" }]]),
  accountIds: { good: GOOD, hostile: HOSTILE },
  ...{ cancelled: new Set(), faults: [], acts: [], troubles: [], fanouts: [], recoveries: [], erasures: [] },
  subscriptions: [subscription],
  events: [{ ...event, data: Buffer.from(snapshotOf(0)) }],
  deliveries: [delivery()],
  attempts: [attempt()],
  changes: [change(), succeeded],
  statistics: [counts(60_000), counts(900_000)],
  ...{ erasedRows: [], seen: [seen()], unsigned: [], asked: new Set(), now: NOW },
  ...{ waiting: [], workflowsOfEnded: [] },
};
