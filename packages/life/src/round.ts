import type { EventKey, RecoveryKind } from "@posthaste/domain";
import { SIGNING_OVERLAP_MS } from "@posthaste/domain";
import {
  advanceErasure,
  advanceRecovery,
  cancelDelivery,
  createAccount,
  createErasure,
  createPortalLink,
  createRecovery,
  createTestDelivery,
  createToken,
  type EventToIngest,
  endSubscription,
  hashKeyValues,
  ingestEvents,
  listDeliveries,
  openPortalLink,
  pauseSubscription,
  requestRetry,
  resendDelivery,
  resumeSubscription,
  rotateSigningKey,
  updateEventType,
  updateSubscription,
} from "@posthaste/store";
import { accept, claim, deliverAll, exhaust } from "./deliver.ts";
import { BULK, type Life, type Subscriber, subscribe, WIDE } from "./life.ts";
import { AGES, INCIDENTS, ROUND_MS } from "./scale.ts";
import { follow, upkeep } from "./upkeep.ts";

/** Events in one ingest call. */
const EVENTS_AT_ONCE = 500;
/** Deliveries that a recovery creates in one step. */
const RECOVERED_AT_ONCE = 100;
const LINK_MS = 60_000;

/** Lives three days: the bulk of events, and one of each thing that happens beside it. */
export async function liveRound(life: Life): Promise<void> {
  const beganAt = life.clock.now;
  await bulk(life);
  await fanOut(life);
  await churn(life);
  await pause(life);
  await fail(life, beganAt);
  await actByHand(life);
  await erase(life);
  await upkeep(life);
  life.clock.now = Math.max(life.clock.now, beganAt + ROUND_MS);
}

/** Ingests and delivers events, in the first half of the round: what is refused needs 34 hours more. */
async function bulk(life: Life): Promise<void> {
  const { busy, clock, events } = life;
  const perRound = (events * ROUND_MS) / AGES.events;
  const perCall = Math.min(EVENTS_AT_ONCE, Math.ceil(perRound / busy.length));
  const calls = Math.ceil(perRound / perCall);
  for (let n = 0; n < calls; n++) {
    clock.now += Math.floor(ROUND_MS / 2 / calls);
    const one = busy[n % busy.length];
    if (one !== undefined) await ingest(life, one, { count: perCall });
    if (n % busy.length < busy.length - 1 && n < calls - 1) continue;
    await deliverAll(life);
    await follow(life);
  }
}

let keys = 0;

async function ingest(
  { store, clock }: Life,
  { accountId }: Pick<Subscriber, "accountId">,
  { count, eventType = BULK, deliveriesMax = 1_000, email }: Ingested,
): Promise<void> {
  const events: EventToIngest[] = [];
  for (let n = 0; n < count; n++) {
    const idempotencyKey = `key ${++keys}`;
    const data = JSON.stringify({ Number: n, Email: email?.(n) ?? "", Lines: "x".repeat(200) });
    // Which it has alone, which some share, and which all have.
    const values = [idempotencyKey, String(n), COMPANY].map((value) => ({
      value,
      sensitive: value === COMPANY,
    }));
    const keyHashes = await hashKeyValues(store, accountId, values);
    events.push({ eventType, data: Buffer.from(data), idempotencyKey, keyHashes });
  }
  await ingestEvents(store, { accountId, now: clock.now, deliveriesMax, events });
}

/** The value that a key of all events has. */
export const COMPANY = "4711";

type Ingested = {
  readonly count: number;
  readonly eventType?: string;
  readonly deliveriesMax?: number;
  readonly email?: (n: number) => string;
};

/** Sends events to more subscriptions than one call may serve. */
async function fanOut(life: Life): Promise<void> {
  const wide = { eventType: WIDE, deliveriesMax: INCIDENTS.wideAtOnce };
  await ingest(life, life.wide, { count: INCIDENTS.wideEvents, ...wide });
  await upkeep(life);
}

/** Subscribes and unsubscribes, as integration platforms do, and changes what a subscription wants. */
async function churn(life: Life): Promise<void> {
  const { store, clock, wide } = life;
  const { accountId } = wide;
  for (let n = 0; n < INCIDENTS.churned; n++) {
    const { id } = await subscribe(store, { accountId, eventType: WIDE, path: "churn", now: clock.now });
    if (n === 0) await recover(life, { accountId, id }, "replay", clock.now - ROUND_MS);
    await ingest(life, wide, { count: 1, eventType: WIDE, deliveriesMax: INCIDENTS.wideAtOnce });
    await endSubscription(store, { accountId, id, reason: "unsubscribed", now: clock.now });
    clock.now += 1;
    for (const eventTypes of [[WIDE, BULK], [WIDE]]) {
      await updateSubscription(store, { accountId, id: wide.id, eventTypes, now: clock.now });
      clock.now += 1;
    }
  }
  await upkeep(life);
}

async function pause(life: Life): Promise<void> {
  const { store, clock, pausing } = life;
  await pauseSubscription(store, { ...pausing, now: clock.now });
  await ingest(life, pausing, { count: INCIDENTS.parked });
  await resumeSubscription(store, { ...pausing, now: clock.now });
  await upkeep(life);
}

/** A receiver refuses until its subscription is disabled. Then it is mended, and everything recovered. */
async function fail(life: Life, sinceAt: number): Promise<void> {
  const { store, clock, failing } = life;
  await ingest(life, failing, { count: INCIDENTS.refused });
  await exhaust(life, await deliverAll(life, failing.id));
  await ingest(life, failing, { count: INCIDENTS.parked });
  await deliverAll(life, failing.id);
  await resumeSubscription(store, { ...failing, now: clock.now });
  await upkeep(life);
  // Later, since a recovery leaves out what is younger than itself.
  clock.now += 1;
  await recover(life, failing, "recover", sinceAt);
  await upkeep(life);
}

async function recover(life: Life, of: Subscriber, kind: RecoveryKind, sinceAt: number): Promise<void> {
  const { store, clock } = life;
  const { id } = await createRecovery(store, {
    accountId: of.accountId,
    kind,
    subscriptionId: of.id,
    sinceAt,
    untilAt: clock.now,
    isDryRun: false,
    ratePerSecond: RECOVERED_AT_ONCE,
    now: clock.now,
  });
  for (let state = "running"; state === "running"; clock.now += 1_000) {
    state = (await advanceRecovery(store, { id, limit: RECOVERED_AT_ONCE, now: clock.now }))?.state ?? "";
  }
}

/** What people do by hand: tests, resends, retries, cancellations, new keys, sessions in the console. */
async function actByHand(life: Life): Promise<void> {
  const { store, clock, wide, pausing, failing } = life;
  const { accountId } = pausing;
  const data = Buffer.from("{}");
  const test = { accountId, subscriptionId: pausing.id, eventType: BULK, data, now: clock.now };
  await createTestDelivery(store, test);
  await deliverAll(life);
  const [latest] = await listDeliveries(store, { accountId, state: "succeeded", limit: 1 });
  if (latest !== undefined) await resendDelivery(store, { accountId, id: latest.id, now: clock.now });
  await deliverAll(life);
  await ingest(life, pausing, { count: 1 });
  for (const one of await listDeliveries(store, { accountId, state: "pending", limit: 1 })) {
    await requestRetry(store, { accountId, id: one.id, now: clock.now });
    await cancelDelivery(store, { id: one.id, reason: "by hand", now: clock.now });
  }
  await rotateSigningKey(store, { ...failing, overlapMs: SIGNING_OVERLAP_MS, now: clock.now });
  const scopes = ["deliveries:read"] as const;
  for (let n = 0; n < INCIDENTS.churned; n++) {
    const session = { accountId: wide.accountId, expiresAt: clock.now + LINK_MS, sessionMs: LINK_MS };
    const code = await createPortalLink(store, { ...session, scopes, now: clock.now });
    if (n % 2 === 0) await openPortalLink(store, { code, now: clock.now });
  }
}

/** Erases the data of one person, and an account with everything in it. */
async function erase(life: Life): Promise<void> {
  const { store, clock, personal } = life;
  const email = (n: number) => (n % 2 === 0 ? `${clock.now}@example.com` : "another@example.com");
  await ingest(life, personal, { count: INCIDENTS.personal, email });
  await deliverAll(life);
  await eraseKey(life, personal.accountId, { pointer: "/Email", value: email(0) });
  const leaving = await createAccount(store, { name: "leaving", now: clock.now });
  await createToken(store, {
    accountId: leaving.id,
    name: "first",
    scopes: ["events:write"],
    expiresAt: null,
    now: clock.now,
  });
  await subscribe(store, { accountId: leaving.id, eventType: BULK, path: "leaving", now: clock.now });
  await ingest(life, { accountId: leaving.id }, { count: INCIDENTS.personal });
  await accept(life, await claim(life, INCIDENTS.personal / 2));
  await eraseKey(life, leaving.id, null);
}

async function eraseKey({ store, clock }: Life, accountId: Subscriber["accountId"], key: EventKey | null) {
  const { id } = await createErasure(store, { accountId, key, now: clock.now });
  while ((await advanceErasure(store, { id, now: clock.now }))?.state === "running");
}

/** Once in a month, an event type gets a new version. */
export async function publish({ store, clock, wide, eventTypeId }: Life, basedOn: number): Promise<void> {
  const texts = { description: "", schemaJson: "{}", sampleJson: "{}" };
  await updateEventType(store, { id: eventTypeId, owner: wide.accountId, basedOn, now: clock.now, ...texts });
}
