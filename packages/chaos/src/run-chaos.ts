import { setTimeout as sleep } from "node:timers/promises";
import { isOperational, type Lane } from "@posthaste/domain";
import { verify } from "@posthaste/signature";
import { type Stack, startStack } from "@posthaste/stack";
import { countChanges, orderChanges } from "@posthaste/store";
import { type OwnMysqlServer, startOwnMysql } from "@posthaste/testkit";
import { injectFaults } from "./faults.ts";
import { type Counted, type Facts, type Findings, findingsFrom } from "./findings.ts";
import { type Database, type Fault, planFaults } from "./plan.ts";
import { type ChaosReceiver, type Character, type Seen, startReceivers } from "./receivers.ts";
import { settle } from "./settle.ts";
import { sendEvents, snapshotOf } from "./traffic.ts";

export type ChaosRun = {
  readonly database: Database;
  readonly seed: number;
  readonly seconds: number;
  readonly events: number;
  readonly deliveries: number;
  readonly attempts: number;
  readonly requests: number;
  readonly faults: readonly Fault[];
  readonly findings: Findings;
};

/** Short times, so that the deliveries that a killed worker had claimed are started within the run. */
const ENV = { POSTHASTE_DISPATCH_LEASE_MS: "2000", POSTHASTE_RECONCILE_INTERVAL_MS: "1000" };
/**
 * Makes every restart of Temporal hand out every waiting retry early: its matching service forgets which
 * tasks of its backlog are done, here those of the last hour rather than of the last minute (the default).
 */
const FORGETFUL = { "matching.updateAckInterval": '"1h"' };
/** The subscriptions' timeout: how long an attempt to a receiver that hangs takes. */
const ATTEMPT_TIMEOUT_S = 2n;
/** The span of the statistics to sum: a quarter of an hour. These are kept for a month. */
const COUNTED_SPAN_MS = 900_000;
/** How much longer events are sent than faults are injected. */
const CALM_MS = 1_000;

/** Runs the whole product under faults on one database, and returns the findings. */
export async function runChaos(options: {
  database: Database;
  lane: Lane;
  seconds: number;
  seed: number;
  note: (line: string) => void;
}): Promise<ChaosRun> {
  const { database, lane, seconds, seed, note } = options;
  const plan = planFaults(options);
  const mysql = database === "mysql" ? await startOwnMysql({ durable: true, progress: note }) : undefined;
  const seen: Seen[] = [];
  // The receiver leaves half-way: four events are sent per second.
  const receivers = await startReceivers(seed, seconds * 2, seen);
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      database,
      lane,
      mysqlUrl: mysql?.url,
      apis: 2,
      workers: 2,
      env: ENV,
      temporalSettings: FORGETFUL,
    });
    const { characters, secrets } = await subscribe(stack, receivers);
    const stop = new AbortController();
    const sending = sendEvents(stack, stop.signal);
    await runFaults(stack, mysql, plan, seconds, note);
    stop.abort();
    const accepted = await sending;
    note(
      `${accepted.length} events accepted; waiting until every delivery has got as far as its receiver allows`,
    );
    const asked = await settle(stack, characters);

    const stored = await storedIn(stack);
    const facts: Facts = {
      ...stored,
      counted: await countedIn(stack),
      accepted,
      snapshotOf,
      characters,
      seen,
      unsigned: await unsignedIn(seen, secrets),
      asked,
      now: Date.now(),
    };
    return {
      database,
      seed,
      seconds,
      events: accepted.length,
      deliveries: stored.deliveries.length,
      attempts: stored.attempts.length,
      requests: seen.length,
      faults: plan,
      findings: findingsFrom(facts),
    };
  } finally {
    await stack?.dispose();
    await Promise.all(receivers.map(({ receiver }) => receiver.stop()));
    await mysql?.release();
  }
}

/** Subscribes each receiver. Returns the characters by subscription, and the secrets by character. */
async function subscribe({ client }: Stack, receivers: readonly ChaosReceiver[]) {
  const characters = new Map<number, Character>();
  const secrets = new Map<Character, string>();
  for (const { character, receiver } of receivers) {
    const { subscription, signingKey } = await client.subscriptions.createSubscription({
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
      timeout: { seconds: ATTEMPT_TIMEOUT_S },
    });
    characters.set(subscription?.id ?? 0, character);
    secrets.set(character, signingKey?.secret ?? "");
  }
  return { characters, secrets };
}

async function runFaults(
  stack: Stack,
  mysql: OwnMysqlServer | undefined,
  plan: readonly Fault[],
  seconds: number,
  note: (line: string) => void,
): Promise<void> {
  const runTime = sleep(seconds * 1_000 + CALM_MS);
  await injectFaults(stack, mysql, plan, ({ at, kind, target, forMs }) =>
    note(`${(at / 1_000).toFixed(1)} s: ${kind} ${target} for ${(forMs / 1_000).toFixed(1)} s`),
  );
  await runTime;
}

async function storedIn({
  store: { db },
}: Stack): Promise<Pick<Facts, "events" | "deliveries" | "attempts">> {
  const events = await db.selectFrom("events").select(["id", "event_type", "data"]).execute();
  return {
    // Operational events, for example that a receiver left, come from Posthaste and not from the traffic.
    events: events.filter((event) => !isOperational(event.event_type)),
    deliveries: await db
      .selectFrom("deliveries")
      .select(["id", "event_id", "subscription_id", "state", "attempts", "next_attempt_at"])
      .execute(),
    attempts: await db
      .selectFrom("attempts")
      .select([
        ...(["delivery_id", "number", "outcome", "status"] as const),
        ...(["started_at", "duration_ms", "retry_after_ms"] as const),
      ])
      .execute(),
  };
}

/** Brings the statistics up to date, as the workers would within a second, and sums them. */
async function countedIn({ store }: Stack): Promise<Counted> {
  while ((await orderChanges(store, Date.now())) > 0);
  while ((await countChanges(store)) > 0);
  const sums = await store.db
    .selectFrom("statistics")
    .select(({ fn }) => [
      fn.sum("events").as("events"),
      fn.sum("deliveries").as("deliveries"),
      fn.sum("succeeded").as("succeeded"),
      fn.sum("failed").as("failed"),
      fn.sum("attempts").as("attempts"),
      fn.sum("accepted").as("accepted"),
    ])
    .where("span_ms", "=", COUNTED_SPAN_MS)
    .executeTakeFirstOrThrow();
  return {
    events: Number(sums.events),
    deliveries: Number(sums.deliveries),
    succeeded: Number(sums.succeeded),
    failed: Number(sums.failed),
    attempts: Number(sums.attempts),
    accepted: Number(sums.accepted),
  };
}

/** Returns the requests whose signature does not verify. */
async function unsignedIn(seen: readonly Seen[], secrets: ReadonlyMap<Character, string>): Promise<Seen[]> {
  const unsigned: Seen[] = [];
  for (const one of seen) {
    const { headers, body } = one.request;
    const now = Number(headers["webhook-timestamp"]) * 1_000;
    await verify({ headers, body }, [secrets.get(one.character) ?? ""], { now }).catch(() =>
      unsigned.push(one),
    );
  }
  return unsigned;
}
