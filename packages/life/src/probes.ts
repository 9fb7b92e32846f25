import { HOUR_MS, MINUTE_MS } from "@posthaste/domain";
import {
  accountBacklog,
  advanceErasure,
  advanceRecovery,
  continueFanout,
  countChanges,
  createErasure,
  createPortalLink,
  createRecovery,
  endSubscription,
  endSubscriptionsByUrl,
  forgetOldCounts,
  hashKeyValues,
  ingestEvents,
  listAttempts,
  listAuditEntries,
  listChanges,
  listDeliveries,
  listDraining,
  listEnding,
  listEvents,
  listFanouts,
  listOverdue,
  listParked,
  listRecoveries,
  listSubscriptions,
  listTokens,
  listUnstartedErasures,
  listUnstartedRecoveries,
  measureBacklog,
  orderChanges,
  piecesInTurns,
  RETENTION_KINDS,
  readStatistics,
  retain,
  type Store,
  searchDeliveries,
  subscriptionHealth,
} from "@posthaste/store";
import { measureReads, type Reads } from "@posthaste/testkit";
import { accept, claim, IN_FLIGHT_MAX } from "./deliver.ts";
import { BULK, type Life, subscribe, WIDE } from "./life.ts";
import { COMPANY } from "./round.ts";
import { AGES, INCIDENTS, MONTH_MS } from "./scale.ts";

/** Rows that a list asks for. */
const PAGE = 50;
/** Events that the probes ingest and deliver. */
const SOME = 100;
/** Deliveries that a search for a rare type examines. */
const SEARCHED = 1_000;

/** What was read during each of the store's hot calls, by the name of the call. */
export type Probed = Readonly<Record<string, Reads>>;

/**
 * Measures what the store's hot calls read now. They do real work in the order in which it comes up, and
 * leave nothing behind that is not delivered.
 *
 * @param life its store has one connection
 */
export async function probe(life: Life): Promise<Probed> {
  const reads: Record<string, Reads> = {};
  const calls: Calls = {
    ...delivering(life),
    ...following(life),
    ...lists(life),
    ...subscribing(life),
    ...upkeepOf(life),
    ...longRunning(life),
  };
  for (const [name, call] of Object.entries(calls)) {
    reads[name] = await measureReads(life.store, call);
    life.clock.now += 1;
  }
  return reads;
}

type Calls = Readonly<Record<string, () => Promise<unknown>>>;

const event = (eventType: string) => ({ eventType, data: Buffer.from("{}"), idempotencyKey: null });

function delivering(life: Life): Calls {
  const { store, clock, busy, wide } = life;
  let claimed: Awaited<ReturnType<typeof claim>> = [];
  const ingest = async (of: { accountId: Life["wide"]["accountId"] }, eventType: string, count: number) => {
    const events = Array.from({ length: count }, () => event(eventType));
    const call = { accountId: of.accountId, now: clock.now, deliveriesMax: INCIDENTS.wideAtOnce };
    return await ingestEvents(store, { ...call, events });
  };
  return {
    "ingest of 100 events": async () => {
      for (const one of busy.slice(0, 10)) await ingest(one, BULK, SOME / 10);
    },
    "claim of 100": async () => {
      claimed = await claim(life, SOME);
      if (claimed.length !== SOME) throw new Error(`${claimed.length} were claimed`);
    },
    "100 attempts loaded and recorded": () => accept(life, claimed),
    "claim of nothing": () => claim(life),
    "ingest of a wide event": () => ingest(wide, WIDE, 1),
    "a step of a fan-out": async () => {
      const [piece] = piecesInTurns(await listFanouts(store, { limit: 1 }));
      if (piece === undefined) throw new Error("there is no fan-out");
      await continueFanout(store, { eventId: piece.id, now: clock.now, deliveriesMax: INCIDENTS.wideAtOnce });
    },
  };
}

function following({ store, clock, wide, busy }: Life): Calls {
  const cursor = { batch: 0, id: 0 };
  const { accountId } = wide;
  return {
    "changes ordered": () => orderChanges(store, clock.now),
    "changes counted": () => countChanges(store),
    "changes after a cursor": async () => {
      // A third of the changes that are kept.
      cursor.batch = clock.now - AGES.changes / 3;
      await listChanges(store, { accountId, after: cursor, limit: PAGE });
    },
    "changes of a subscription": () =>
      listChanges(store, { accountId, subscriptionId: wide.id, after: cursor, limit: PAGE }),
    "an hour's statistics": () => {
      const span = { spanMs: MINUTE_MS, bucketMs: MINUTE_MS } as const;
      const of = busy[0] ?? wide;
      return readStatistics(store, {
        ...span,
        accountId: of.accountId,
        fromAt: clock.now - HOUR_MS,
        untilAt: clock.now,
      });
    },
    "a month's statistics": () => {
      const span = { spanMs: (15 * MINUTE_MS) as 900_000, bucketMs: HOUR_MS } as const;
      return readStatistics(store, { ...span, accountId, fromAt: clock.now - MONTH_MS, untilAt: clock.now });
    },
    "old statistics": () => forgetOldCounts(store, clock.now),
  };
}

function lists({ store, clock, busy, wide, failing }: Life): Calls {
  const { accountId, id } = busy[0] ?? wide;
  const own = { accountId, limit: PAGE };
  const listed = (filter: Partial<Parameters<typeof listDeliveries>[1]>) => () =>
    listDeliveries(store, { ...own, ...filter });
  return {
    "an account's deliveries": listed({}),
    "an account's deliveries in a state": listed({ state: "exhausted" }),
    "a subscription's deliveries": listed({ subscriptionId: id }),
    "a subscription's deliveries in a state": listed({ subscriptionId: id, state: "parked" }),
    "the deliveries of a day": () =>
      listDeliveries(store, { ...own, createdFrom: clock.now - 24 * HOUR_MS, createdBefore: clock.now }),
    "an event's deliveries, and the attempts of one": async () => {
      const [one] = await listDeliveries(store, { accountId: wide.accountId, limit: 1 });
      if (one === undefined) throw new Error("the account has no delivery");
      await listDeliveries(store, { accountId: wide.accountId, eventId: one.eventId, limit: PAGE });
      await listAttempts(store, { accountId: wide.accountId, deliveryId: one.id });
    },
    "a search for a rare type": () =>
      searchDeliveries(store, { ...own, traits: { eventTypes: ["rare"] }, examinedMax: SEARCHED }),
    "an account's events": () => listEvents(store, own),
    "an account's events of a rare type": () => listEvents(store, { ...own, eventType: "rare" }),
    "events with a key's value": async () => {
      const value = { value: COMPANY, sensitive: true };
      await listEvents(store, { ...own, keyHashes: await hashKeyValues(store, accountId, [value]) });
    },
    "an account's backlog": () => accountBacklog(store, accountId),
    "the whole backlog": () => measureBacklog(store, { now: clock.now, inFlightMax: IN_FLIGHT_MAX }),
    "a subscription's health": () => subscriptionHealth(store, failing),
  };
}

function subscribing({ store, clock, wide }: Life): Calls {
  const { accountId } = wide;
  const own = { accountId, limit: PAGE };
  let churned = wide.id;
  return {
    "an account's subscriptions": () => listSubscriptions(store, own),
    "failing subscriptions": () => listSubscriptions(store, { ...own, failing: true }),
    "subscriptions to a type": () => listSubscriptions(store, { ...own, eventType: WIDE }),
    "a subscription created": async () => {
      const url = { accountId, eventType: WIDE, path: "churn", now: clock.now };
      churned = (await subscribe(store, url)).id;
    },
    "a subscription ended": () =>
      endSubscription(store, { accountId, id: churned, reason: "unsubscribed", now: clock.now }),
    "a URL unsubscribed": () =>
      endSubscriptionsByUrl(store, {
        accountId,
        targetUrl: "https://receiver.example/churn",
        reason: "unsubscribed",
        now: clock.now,
      }),
    "a portal link": () =>
      createPortalLink(store, {
        accountId,
        scopes: ["deliveries:read"],
        expiresAt: clock.now + 1,
        sessionMs: 1,
        now: clock.now,
      }),
    "an account's tokens": () => listTokens(store, own),
    "the audit log": () => listAuditEntries(store, { limit: PAGE }),
    "an account's audit log": () => listAuditEntries(store, own),
    "a subscription's audit log": () =>
      listAuditEntries(store, { subject: "subscription", subjectId: String(wide.id), limit: PAGE }),
    "a search of the audit log": () =>
      listAuditEntries(store, { ...own, action: "rare", examinedMax: SEARCHED }),
  };
}

function upkeepOf({ store, clock }: Life): Calls {
  const some = { limit: PAGE };
  const step = (kind: (typeof RETENTION_KINDS)[number]) => () =>
    retain(store, { kind, before: clock.now - AGES[kind], cursor: "" });
  return {
    "overdue deliveries": () => listOverdue(store, { now: clock.now, limit: PAGE }),
    "parked deliveries": () => listParked(store, some),
    "unfinished ends": () => listEnding(store, some),
    drains: () => listDraining(store, some),
    "fan-outs": () => listFanouts(store, some),
    ...Object.fromEntries(RETENTION_KINDS.map((kind) => [`a step of retention of ${kind}`, step(kind)])),
  };
}

function longRunning({ store, clock, failing, personal }: Life): Calls {
  const due = () => ({ now: clock.now + HOUR_MS, limit: PAGE });
  return {
    "an account's recoveries": () => listRecoveries(store, { accountId: failing.accountId, limit: PAGE }),
    "unstarted recoveries": () => listUnstartedRecoveries(store, due()),
    "unstarted erasures": () => listUnstartedErasures(store, due()),
    "a step of a recovery": () => recoveryStep(store, failing, clock.now),
    "steps of an erasure": async () => {
      const key = { pointer: "/Email", value: "nobody@example.com" };
      const { id } = await createErasure(store, { accountId: personal.accountId, key, now: clock.now });
      while ((await advanceErasure(store, { id, now: clock.now }))?.state === "running");
    },
  };
}

async function recoveryStep(store: Store, failing: Life["failing"], now: number): Promise<void> {
  const { id } = await createRecovery(store, {
    accountId: failing.accountId,
    kind: "recover",
    subscriptionId: null,
    sinceAt: now - MONTH_MS,
    untilAt: now,
    isDryRun: true,
    ratePerSecond: SOME,
    now,
  });
  await advanceRecovery(store, { id, limit: SOME, now });
}
