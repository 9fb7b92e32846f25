import type { AccountId, DeliveryId, EventId, KeyValue, SubscriptionId } from "@posthaste/domain";
import { createTestStore, failedAttempt, recordAttempt, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe } from "vitest";
import {
  type Attempt,
  type By,
  claimDeliveries,
  createAccount,
  createSubscription,
  drainSubscription,
  hashKeyValues,
  type IngestedEvent,
  ingestEvents,
  type ListByAccount,
  listDraining,
  markStarted,
  type NewSubscription,
  piecesInTurns,
  type Store,
} from "../src/index.ts";

export const NOW = 1_700_000_000_000;

/** A fresh database with one account, and shortcuts that fill it. */
export type Bench = {
  readonly store: Store;
  readonly url: string;
  readonly accountId: AccountId;
  subscribe(options?: {
    accountId?: AccountId;
    targetUrl?: string;
    eventTypes?: readonly string[];
    now?: number;
    by?: By;
  }): Promise<NewSubscription>;
  ingest(options?: {
    accountId?: AccountId;
    eventType?: string;
    json?: string;
    key?: string | null;
    /** The values at the event's keys. Default: none. */
    keyed?: readonly KeyValue[];
    deliveriesMax?: number;
    now?: number;
    through?: Store;
  }): Promise<IngestedEvent>;
};

/** Runs the same tests on SQLite and on MySQL, each test on a fresh database. */
export function onEachDatabase(title: string, tests: (bench: () => Bench) => void): void {
  describe.each(["sqlite", "mysql"] as const)(`${title}, on %s`, (backend) => {
    let test: TestStore;
    let bench: Bench;
    beforeEach(async () => {
      test = await createTestStore(backend);
      bench = await benchOn(test);
    });
    afterEach(() => test.dispose());
    tests(() => bench);
  });
}

/** Creates the bench's account in a database. */
export async function benchOn({ store, url }: TestStore): Promise<Bench> {
  const { id: accountId } = await createAccount(store, { name: "first", now: NOW });
  let urls = 0;
  return {
    store,
    url,
    accountId,
    subscribe: (options = {}) =>
      createSubscription(store, {
        accountId: options.accountId ?? accountId,
        targetUrl: options.targetUrl ?? `https://receiver.example/${++urls}`,
        eventTypes: options.eventTypes ?? ["invoice_sent"],
        credential: null,
        acceptance: "OK_ONLY",
        timeoutMs: null,
        now: options.now ?? NOW,
        ...(options.by === undefined ? {} : { by: options.by }),
      }),
    async ingest(options = {}) {
      const json = options.json ?? '{"a":1}';
      const owner = options.accountId ?? accountId;
      const [event] = await ingestEvents(options.through ?? store, {
        accountId: owner,
        now: options.now ?? NOW,
        deliveriesMax: options.deliveriesMax ?? 1_000,
        events: [
          {
            eventType: options.eventType ?? "invoice_sent",
            data: Buffer.from(json),
            idempotencyKey: options.key ?? null,
            keyHashes: await hashKeyValues(store, owner, options.keyed ?? []),
          },
        ],
      });
      if (event === undefined) throw new Error("the ingest returned no event");
      return event;
    },
  };
}

/** Advances every drain in progress by one step. Returns how many deliveries became pending. */
export async function drainAll(store: Store, now: number): Promise<number> {
  let pending = 0;
  for (const id of idsIn(await listDraining(store, { limit: 100 }))) {
    pending += await drainSubscription(store, { id, now });
  }
  return pending;
}

/** Returns the pieces of a list of upkeep's, in turns of their accounts. */
export function idsIn<Id>(list: ListByAccount<Id>): Id[] {
  return piecesInTurns(list).map(({ id }) => id);
}

/** A delivery's failed first attempt, with overrides. */
export function attempt(over: Partial<Attempt> = {}): Attempt {
  return failedAttempt({ startedAt: NOW, ...over });
}

/** Claims the pending deliveries and begins to attempt them. */
export async function beginAttempts(store: Store): Promise<DeliveryId[]> {
  const claim = { owner: "me", leaseMs: 30_000, limit: 100, inFlightMax: 100, now: () => NOW };
  const ids = (await claimDeliveries(store, claim)).map(({ deliveryId }) => deliveryId);
  await markStarted(store, { owner: "me", ids, now: NOW });
  return ids;
}

/** Records that the receiver accepted a delivery's first attempt, at the URL that its subscription has. */
export async function recordAccepted(store: Store, deliveryId: DeliveryId, now = NOW): Promise<void> {
  const { target_hash: targetHash } = await store.db
    .selectFrom("subscriptions as s")
    .innerJoin("deliveries as d", "d.subscription_id", "s.id")
    .select("s.target_hash")
    .where("d.id", "=", deliveryId)
    .executeTakeFirstOrThrow();
  await recordAttempt(store, {
    deliveryId,
    attempt: attempt({ outcome: "accepted", status: 200, targetHash }),
    state: "succeeded",
    nextAttemptAt: null,
    endedReason: null,
    now,
  });
}

/** A value at a key of an event. */
export const keyed = (value: string, sensitive = false): KeyValue => ({ value, sensitive });

/** Returns an event's deliveries, by subscription, straight from the table. */
export async function deliveriesOf(store: Store, eventId: EventId) {
  return await store.db
    .selectFrom("deliveries")
    .select(["id", "subscription_id", "state"])
    .where("event_id", "=", eventId)
    .orderBy("subscription_id")
    .execute();
}

export function idsOf(rows: readonly { subscription_id: SubscriptionId }[]): SubscriptionId[] {
  return rows.map((row) => row.subscription_id);
}
