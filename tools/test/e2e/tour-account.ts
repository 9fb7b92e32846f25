import { createPosthasteClient } from "@posthaste/client";
import {
  type AccountId,
  type DeliveryId,
  type EventId,
  MINUTE_MS,
  SCHEDULE,
  SCOPES,
  type SubscriptionId,
  scheduledWaitMs,
} from "@posthaste/domain";
import { createAccount, createToken, type Store } from "@posthaste/store";
import { idTime } from "./many-deliveries.ts";

/** An account with content for every page. */
export type TourAccount = {
  readonly token: string;
  readonly inboxId: string;
  readonly subscriptionId: number;
  /** A delivery that failed three times and waits for its next attempt. */
  readonly deliveryId: string;
  /** An event that was delivered to the inbox. */
  readonly eventId: string;
  readonly accountId: number;
  dispose(): Promise<void>;
};

const QUARTER_MS = 15 * MINUTE_MS;
const TYPES = ["invoice_sent", "contact_created", "project_updated", "timesheet_created"];
const ENDED = 60;

/**
 * Creates the account. Its attempts and responses are written to the tables, because its receivers' host
 * names do not exist and the events would take hours. Only the inbox gets a real delivery.
 */
export async function createTourAccount(store: Store, apiUrl: string): Promise<TourAccount> {
  const now = Date.now();
  const { id: accountId } = await createAccount(store, { name: "Foxglove & Quill", now });
  const { secret: token } = await createToken(store, {
    accountId,
    name: "tour",
    scopes: SCOPES,
    expiresAt: null,
    now,
  });
  const client = createPosthasteClient({ baseUrl: apiUrl, token });
  const subscribe = async (targetUrl: string, eventTypes: string[], description: string) => {
    const { subscription } = await client.subscriptions.createSubscription({
      targetUrl,
      eventTypes,
      description,
    });
    return (subscription?.id ?? 0) as SubscriptionId;
  };
  const ledger = await subscribe("https://ledger.foxglove.example/webhooks", ["*"], "The ledger");
  const crm = await subscribe(
    "https://crm.foxglove.example/hooks/posthaste",
    ["contact_created", "invoice_sent"],
    "Customer relations",
  );
  const archive = await subscribe("https://archive.quill.example/in", ["project_updated"], "The archive");
  await client.subscriptions.pauseSubscription({ id: archive });
  await store.db
    .updateTable("subscriptions")
    .set({ failing_since: now - 47 * MINUTE_MS })
    .where("id", "=", crm)
    .execute();

  const place = { store, accountId, now };
  for (let n = 0; n < ENDED; n += 1) {
    await insertEnded(place, { n, subscriptionId: n % 3 === 0 ? crm : ledger });
  }
  const deliveryId = await insertRetrying(place, crm);
  await insertStatistics(place);
  await insertRecoveries(place, crm);

  const { inbox } = await client.inboxes.createInbox({});
  await subscribe(`${apiUrl}${inbox?.path}`, ["invoice_sent"], "Test inbox");
  const { subscriptions } = await client.subscriptions.listSubscriptions({});
  const { eventId = "" } =
    (await client.subscriptions.sendTestEvent({ subscriptionId: subscriptions.at(-1)?.id ?? 0 })).delivery ??
    {};
  return {
    token,
    inboxId: inbox?.id ?? "",
    subscriptionId: crm,
    deliveryId,
    ...{ eventId, accountId },
    dispose: () => client.close(),
  };
}

type Place = { readonly store: Store; readonly accountId: AccountId; readonly now: number };

const ulidAt = (at: number, n: number) => `${idTime(at)}${String(n).padStart(4, "0")}q7m2x9k4t8w5`;
const deliveryIdAt = (at: number, n: number) => `dlv_${ulidAt(at, n)}` as DeliveryId;
const eventIdAt = (at: number, n: number) => `evt_${ulidAt(at, n)}` as EventId;

async function insertEnded(
  { store, accountId, now }: Place,
  { n, subscriptionId }: { n: number; subscriptionId: SubscriptionId },
): Promise<void> {
  const createdAt = now - 2 * 3_600_000 - (ENDED - n) * 4 * MINUTE_MS;
  const isBad = n % 11 === 5;
  await store.db
    .insertInto("deliveries")
    .values({
      id: deliveryIdAt(createdAt, n),
      account_id: accountId,
      event_id: eventIdAt(createdAt, n),
      event_type: TYPES[n % TYPES.length] ?? "",
      subscription_id: subscriptionId,
      target_key: Buffer.alloc(32, n),
      state: isBad ? "exhausted" : "succeeded",
      attempts: isBad ? SCHEDULE.maximumAttempts : 1,
      last_outcome: isBad ? "timeout" : "accepted",
      last_status: isBad ? null : 200,
      test: 0,
      created_at: createdAt,
      started_at: createdAt,
      ended_at: createdAt + 180,
      ended_reason: isBad ? "all 14 attempts of the schedule failed" : null,
    })
    .execute();
}

async function insertRetrying(
  { store, accountId, now }: Place,
  subscriptionId: SubscriptionId,
): Promise<DeliveryId> {
  const createdAt = now - 47 * MINUTE_MS;
  const [id, eventId] = [deliveryIdAt(createdAt, 0), eventIdAt(createdAt, 0)];
  const eventType = "invoice_sent";
  const data = `{"TransactionID":58213,"InvoiceNumber":"1042","TransactionStatusCode":"SENT","CompanyName":"Foxglove & Quill Ltd","CurrencyCode":"GBP","TotalAmount":1188.10}`;
  await store.db
    .insertInto("events")
    .values({
      id: eventId,
      account_id: accountId,
      event_type: eventType,
      data: Buffer.from(data),
      created_at: createdAt,
    })
    .execute();
  const starts = [1, 2, 3].map((number) => {
    const waits = Array.from({ length: number - 1 }, (_, i) => scheduledWaitMs(i + 1) ?? 0);
    return createdAt + waits.reduce((sum, wait) => sum + wait + 200, 0);
  });
  const nextAttemptAt = (starts.at(-1) ?? now) + (scheduledWaitMs(3) ?? 0);
  await store.db
    .insertInto("deliveries")
    .values({
      id,
      account_id: accountId,
      event_id: eventId,
      event_type: eventType,
      subscription_id: subscriptionId,
      target_key: Buffer.alloc(32, 255),
      state: "started",
      attempts: 3,
      next_attempt_at: nextAttemptAt,
      reconcile_after: nextAttemptAt + 10 * MINUTE_MS,
      last_outcome: "status",
      last_status: 503,
      test: 0,
      created_at: createdAt,
      started_at: createdAt,
    })
    .execute();
  for (const [i, startedAt] of starts.entries()) {
    const number = i + 1;
    await store.db
      .insertInto("attempts")
      .values({
        delivery_id: id,
        number,
        account_id: accountId,
        started_at: startedAt,
        duration_ms: i === 0 ? 15_000 : 184,
        outcome: i === 0 ? "timeout" : "status",
        acceptance: "OK_ONLY",
        status: i === 0 ? null : 503,
        request_headers: JSON.stringify([
          ["content-type", "application/json"],
          ["user-agent", "Posthaste/0.1.0"],
          ["webhook-id", eventId],
          ["webhook-timestamp", String(Math.floor(startedAt / 1_000))],
          ["webhook-signature", `v1,${Buffer.alloc(32, 7 * number).toString("base64")}`],
          ["webhook-event", eventType],
          ["webhook-delivery", id],
          ["webhook-attempt", String(number)],
          ["authorization", "[redacted]"],
        ]),
        response_headers: JSON.stringify(
          i === 0
            ? []
            : [
                ["content-type", "application/json"],
                ["server", "nginx"],
                ["retry-after", "120"],
              ],
        ),
        response_body: Buffer.from(i === 0 ? "" : '{"error":"maintenance","hint":"<b>back at 15:00</b>"}'),
        response_truncated: 0,
        address: "203.0.113.7:443",
        detail: i === 0 ? "no complete answer within 15 s" : null,
        target_url: "https://crm.foxglove.example/hooks/posthaste",
        retry_after_ms: null,
      })
      .execute();
  }
  return id;
}

/** Inserts the counters of 24 hours with a varying load and one outage. */
async function insertStatistics({ store, accountId, now }: Place): Promise<void> {
  const first = Math.floor((now - 24 * 3_600_000) / QUARTER_MS) * QUARTER_MS;
  const rows = Array.from({ length: 96 }, (_, i) => {
    const isOutage = i > 58 && i < 67;
    const accepted = Math.round(46 + 34 * Math.sin(i / 14) + ((i * 7_919) % 11));
    const failed = isOutage ? 12 + (i % 4) : i % 13 === 0 ? 2 : 0;
    const durations = [0, 0, 0.05, 0.3, 0.4, 0.15, 0.06, 0.03, isOutage ? 0.12 : 0.01, 0, 0, 0, 0, 0].map(
      (share) => Math.round(share * (accepted + failed)),
    );
    return {
      account_id: accountId,
      span_ms: QUARTER_MS,
      from_at: first + i * QUARTER_MS,
      events: Math.round(accepted * 0.6),
      deliveries: accepted,
      succeeded: accepted,
      failed: isOutage && i % 2 === 0 ? 1 : 0,
      attempts: accepted + failed,
      accepted,
      took: JSON.stringify(durations),
    };
  });
  await store.db.insertInto("statistics").values(rows).execute();
}

async function insertRecoveries(
  { store, accountId, now }: Place,
  subscriptionId: SubscriptionId,
): Promise<void> {
  const sinceAt = now - 6 * 3_600_000;
  const recovery = {
    account_id: accountId,
    kind: "recover" as const,
    subscription_id: subscriptionId,
    since_at: sinceAt,
    until_at: now,
    rate_per_second: 100,
    cursor_id: "",
    left_out: 14,
    left_out_by: JSON.stringify({ already_sent: 9, accepted: 5 }),
    parked: 0,
    workflow_at: now,
  };
  await store.db
    .insertInto("recoveries")
    .values([
      {
        ...recovery,
        state: "completed",
        dry_run: 1,
        examined: 1_204,
        made: 1_190,
        created_at: now - 9 * MINUTE_MS,
        ended_at: now - 9 * MINUTE_MS,
      },
      {
        ...recovery,
        state: "paused",
        dry_run: 0,
        examined: 746,
        made: 732,
        created_at: now - 4 * MINUTE_MS,
        ended_at: null,
      },
    ])
    .execute();
}
