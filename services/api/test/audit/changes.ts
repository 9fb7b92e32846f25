import type { DeliveryId, EventId } from "@posthaste/domain";
import { SCOPES } from "@posthaste/domain";
import { timesIn } from "@posthaste/testkit";
import type { Bench } from "../fixture.ts";

/** In every field of a request that may hold a secret, and in no other. */
export const HUSH = "hush-9f3a";

/** An account's things, made anew for each call, and a token that may do everything. */
export type World = Bench & { readonly admin: string };

/** Makes a request that changes something. */
type Change = (t: World) => Promise<object>;

/** RPCs that are not free of side effects, and are not in the audit log all the same. */
export const UNAUDITED: Readonly<Record<string, string>> = {
  "posthaste.v1.EventIngestService/IngestEvent":
    "the event is its own record, and there are thousands a second",
  "posthaste.v1.EventIngestService/IngestEvents": "the events are their own record",
  "posthaste.v1.InboxService/CreateInbox": "an inbox is in memory, for a day, for tests",
  "posthaste.v1.InboxService/SetInboxAnswer": "an inbox is in memory",
  "grpc.health.v1.Health/Check": "changes nothing",
  "grpc.health.v1.Health/List": "changes nothing",
  "grpc.health.v1.Health/Watch": "changes nothing",
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "changes nothing",
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "changes nothing",
};

/** A valid request of every other RPC that is not free of side effects. */
export const CHANGES: Readonly<Record<string, Change>> = {
  "posthaste.v1.SubscriptionService/CreateSubscription": async () => subscription(),
  "posthaste.v1.SubscriptionService/UpdateSubscription": async (t) => ({
    id: await subscribed(t),
    targetUrl: `https://other.example/?key=${HUSH}`,
    secret: `${HUSH}:new`,
    headers: { values: { "x-key": `${HUSH}-new` } },
    description: "new",
  }),
  "posthaste.v1.SubscriptionService/RotateSecret": async (t) => ({ id: await subscribed(t) }),
  "posthaste.v1.SubscriptionService/ListSigningKeys": async (t) => ({ id: await subscribed(t) }),
  "posthaste.v1.SubscriptionService/SendTestEvent": async (t) => ({
    subscriptionId: await subscribed(t),
    dataJson: JSON.stringify({ key: HUSH }),
  }),
  "posthaste.v1.SubscriptionService/PauseSubscription": async (t) => ({ id: await subscribed(t) }),
  "posthaste.v1.SubscriptionService/ResumeSubscription": async (t) => ({ id: await paused(t) }),
  "posthaste.v1.SubscriptionService/DeleteSubscription": async (t) => ({ id: await subscribed(t) }),
  "posthaste.v1.EventCatalogService/CreateEventType": async () => eventType(),
  "posthaste.v1.EventCatalogService/UpdateEventType": async (t) => {
    const { code } = await defined(t);
    return { code, description: "new", sampleJson: JSON.stringify({ key: HUSH }) };
  },
  "posthaste.v1.EventCatalogService/ArchiveEventType": async (t) => ({ code: (await defined(t)).code }),
  "posthaste.v1.EventCatalogService/SetSchemaCheck": async () => ({ schemaCheck: "SCHEMA_CHECK_WARN" }),
  "posthaste.v1.DeliveryService/RetryDelivery": async (t) => ({ id: await delivery(t, "started") }),
  "posthaste.v1.DeliveryService/ResendDelivery": async (t) => ({ id: await delivery(t, "exhausted") }),
  "posthaste.v1.DeliveryService/CancelDelivery": async (t) => ({ id: await delivery(t, "started") }),
  "posthaste.v1.DeliveryService/RecoverDeliveries": async (t) => ({
    subscriptionId: await paused(t),
    since: SINCE,
  }),
  "posthaste.v1.DeliveryService/ReplayEvents": async (t) => ({
    subscriptionId: await subscribed(t),
    since: SINCE,
  }),
  "posthaste.v1.DeliveryService/PauseRecovery": async (t) => ({ id: await recovery(t) }),
  "posthaste.v1.DeliveryService/ResumeRecovery": async (t) => {
    const id = await recovery(t);
    await call(t, "DeliveryService/PauseRecovery", { id });
    return { id };
  },
  "posthaste.v1.DeliveryService/CancelRecovery": async (t) => ({ id: await recovery(t) }),
  "posthaste.v1.AccountService/CreateAccount": async () => ({ name: "new" }),
  "posthaste.v1.AccountService/SetLane": async (t) => ({ accountId: await account(t), lane: "LANE_DIRECT" }),
  "posthaste.v1.AccountService/CreateToken": async (t) => ({
    accountId: await account(t),
    name: "new",
    scopes: ["events:write"],
  }),
  "posthaste.v1.AccountService/RevokeToken": async (t) => {
    const token = { accountId: t.accountId, name: "old", scopes: ["events:write"] };
    const created = await call(t, "AccountService/CreateToken", token);
    return { id: created.token.id };
  },
  "posthaste.v1.AccountService/CreatePortalLink": async (t) => portalLink(t),
  "posthaste.v1.AccountService/EraseAccount": async (t) => ({ accountId: await account(t) }),
  "posthaste.v1.AccountService/EraseEvents": async (t) => ({
    accountId: await account(t),
    pointer: "/Email",
    value: HUSH,
  }),
  "posthaste.v1.SessionService/OpenSession": async (t) => {
    const { path } = await call(t, "AccountService/CreatePortalLink", portalLink(t));
    return { portalCode: path.split("#")[1] };
  },
};

/** Calls an RPC with every scope. @throws if it is refused */
// biome-ignore lint/suspicious/noExplicitAny: tests inspect answers field by field
export async function call(t: World, method: string, body: object): Promise<any> {
  const answer = await t.rpc(method, body, { token: t.admin });
  if (answer.status !== 200) throw new Error(`${method}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const SINCE = "2026-01-01T00:00:00Z";
let named = 0;

function subscription() {
  return {
    targetUrl: `https://receiver-${++named}.example/?key=${HUSH}`,
    eventTypes: ["invoice_sent"],
    secret: `${HUSH}:first`,
    headers: { values: { "x-key": HUSH, "x-other": `${HUSH}-2` } },
    description: "first",
    metadata: { values: { tenant: "a" } },
  };
}

function eventType() {
  return {
    code: `parcel_${++named}`,
    description: "A parcel.",
    schema: { type: "object" },
    sampleJson: JSON.stringify({ key: HUSH }),
  };
}

function portalLink({ accountId }: World) {
  return { accountId, scopes: ["deliveries:read"] };
}

async function subscribed(t: World): Promise<number> {
  return (await call(t, "SubscriptionService/CreateSubscription", subscription())).subscription.id;
}

async function paused(t: World): Promise<number> {
  const id = await subscribed(t);
  await call(t, "SubscriptionService/PauseSubscription", { id });
  return id;
}

async function defined(t: World): Promise<{ code: string }> {
  const type = eventType();
  await call(t, "EventCatalogService/CreateEventType", type);
  return type;
}

async function recovery(t: World): Promise<number> {
  return (await call(t, "DeliveryService/RecoverDeliveries", { since: SINCE })).recovery.id;
}

async function account(t: World): Promise<number> {
  return (await t.accountWith(SCOPES)).accountId;
}

/** Returns a delivery of a new subscription that waits for its retry, or has failed. */
async function delivery(t: World, state: "started" | "exhausted"): Promise<string> {
  const subscriptionId = await subscribed(t);
  const event = { eventType: "invoice_sent", dataJson: JSON.stringify({ key: HUSH }) };
  const { eventId } = await call(t, "EventIngestService/IngestEvent", event);
  const wanted = { subscriptionId, eventId };
  const { deliveries } = await call(t, "DeliveryService/ListDeliveries", wanted);
  const id: string = deliveries[0].id;
  const at = Date.now();
  const times = state === "started" ? { next_attempt_at: at + 600_000 } : { ended_at: at };
  await t.store.db
    .updateTable("deliveries")
    .set({ state, ...timesIn(state, at), ...times })
    .where("event_id", "=", eventId as EventId)
    .where("id", "=", id as DeliveryId)
    .execute();
  return id;
}
