import { setTimeout as sleep } from "node:timers/promises";
import {
  type AccountId,
  ALL_EVENT_TYPES,
  isTerminal,
  Refusal,
  readKeyValues,
  type SubscriptionId,
} from "@posthaste/domain";
import {
  type Attempt,
  type By,
  createTestDelivery,
  type Delivery,
  getDelivery,
  getSubscription,
  hashKeyValues,
  listAttempts,
  type Store,
} from "@posthaste/store";
import type { Catalog } from "../catalog/catalog.ts";
import { requireLive } from "../catalog/require-event-type.ts";
import { checkSnapshot } from "../ingest/ingest.ts";

const POLL_EVERY_MS = 100;

/** The dependencies of {@link sendTestEvent}. */
export type TestEventParts = {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly now: () => number;
  /** Tells the workers that deliveries are pending. */
  readonly nudge: () => void;
  /** How long the call waits for the outcome. */
  readonly testEventWaitMs: number;
};

/**
 * Sends one event to one subscription and waits for the outcome. The event is marked as a test, is sent once,
 * and goes to no other subscription.
 *
 * @param wanted.eventType if empty, the subscription's first event type
 * @param wanted.json if empty, the catalogue's sample
 * @returns the delivery and its attempt; no attempt if none was made in time
 * @throws Refusal
 */
export async function sendTestEvent(
  { store, catalog, now, nudge, testEventWaitMs }: TestEventParts,
  accountId: AccountId,
  wanted: { id: SubscriptionId; eventType: string; json: string; by: By },
  signal: AbortSignal,
): Promise<{ delivery: Delivery; attempt: Attempt | undefined }> {
  // Checked in the turn in which the call was decoded, so before anything is waited for.
  const given = wanted.json === "" ? undefined : checkSnapshot(wanted.json, "data_json");
  const subscription = await getSubscription(store, { accountId, id: wanted.id });
  if (subscription === undefined) throw unknown(wanted.id);
  const code = wanted.eventType || (await firstTypeOf(catalog, accountId, subscription.eventTypes));
  const type = await requireLive(catalog, accountId, code, "event_type");
  const data = given ?? checkSnapshot((await catalog.texts(type))?.sampleJson ?? "{}", "data_json");
  const created = await createTestDelivery(store, {
    accountId,
    subscriptionId: wanted.id,
    eventType: type.code,
    data,
    keyHashes: await hashKeyValues(store, accountId, readKeyValues(data.toString("utf8"), type.keys)),
    now: now(),
    by: wanted.by,
  });
  if (created === undefined) throw unknown(wanted.id);
  nudge();
  const delivery = await waitForEnd({ store, testEventWaitMs }, accountId, created, signal);
  const attempts = await listAttempts(store, { accountId, deliveryId: delivery.id });
  return { delivery, attempt: attempts?.[0] };
}

async function waitForEnd(
  { store, testEventWaitMs }: Pick<TestEventParts, "store" | "testEventWaitMs">,
  accountId: AccountId,
  created: Delivery,
  signal: AbortSignal,
): Promise<Delivery> {
  const endAt = performance.now() + testEventWaitMs;
  for (let delivery = created; ; ) {
    if (isTerminal(delivery.state) || performance.now() >= endAt || signal.aborted) return delivery;
    await sleep(POLL_EVERY_MS);
    delivery = (await getDelivery(store, { accountId, id: created.id })) ?? delivery;
  }
}

async function firstTypeOf(
  catalog: Catalog,
  accountId: AccountId,
  eventTypes: readonly string[],
): Promise<string> {
  const [first = ALL_EVENT_TYPES] = eventTypes;
  return first === ALL_EVENT_TYPES ? await catalog.firstCode(accountId) : first;
}

function unknown(id: SubscriptionId): Refusal {
  return new Refusal("not_found", `this account has no subscription ${id}`, { field: "subscription_id" });
}
