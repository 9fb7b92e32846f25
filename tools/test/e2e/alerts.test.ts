import { spawn } from "node:child_process";
import { on } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type DeliveryId, SCOPES } from "@posthaste/domain";
import { type Child, type Stack, startStack } from "@posthaste/stack";
import {
  closeStore,
  createToken,
  ingestEvents,
  openStore,
  parseSealingKeys,
  updateSubscription,
} from "@posthaste/store";
import {
  type OwnMysqlServer,
  poison,
  type Receiver,
  startOwnMysql,
  startReceiver,
  TEST_SECRET_KEYS,
  whileLocked,
} from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ALERTS, checkRules, expectAlerts, expectPanels, PANELS, type Scrape } from "./alert-rules.ts";
import { loseWorkflow } from "./lose-workflow.ts";

/*
 * Makes every alert rule fire from what real processes answer before and during a real cause. A rule whose
 * metric, label or unit is wrong stays silent.
 */

const PATIENCE = { timeout: 90_000, interval: 500 };
const TIMEOUT_MS = 240_000;
/** Places of requests in the API: so few that a test fills them. */
const REQUESTS_MAX = 30;
/** Refused requests that the alert takes notice of: more than one a second for five minutes. */
const REFUSED = 400;

let mysql: OwnMysqlServer;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  mysql = await startOwnMysql();
  receiver = await startReceiver();
  stack = await startStack({
    database: "mysql",
    mysqlUrl: mysql.url,
    workers: 3,
    // The third one joins only for the alert on its clock.
    machinesAheadMs: { workers: [0, 0, 5_000] },
    // So low that a busy machine exceeds the rate, too.
    env: { POSTHASTE_RATE_PER_SECOND: "5", POSTHASTE_REQUESTS_MAX: `${REQUESTS_MAX}` },
  });
  await skewed().kill();
});
afterAll(async () => {
  await stack.dispose();
  await mysql.release();
  await receiver.stop();
});

const childOf = (children: readonly Child[], i: number): Child => {
  const child = children[i];
  if (child === undefined) throw new Error(`the stack has no process ${i} of this kind`);
  return child;
};
const api = () => childOf(stack.apis, 0);
const worker = (i: number) => childOf(stack.workers, i);
const skewed = () => worker(2);
const metricsUrl = () => {
  const line = api()
    .log()
    .split("\n")
    .findLast((text) => text.includes('"metrics.started"'));
  return JSON.parse(line ?? "{}").url;
};

/** Asks every process for its metrics, as Prometheus does. */
async function scrapeAll({ withSkewed = false } = {}): Promise<Scrape[]> {
  const ask = async (service: string, instance: string, url: string): Promise<Scrape> => {
    const metrics = await fetch(`${url}/metrics`).then(
      (response) => response.text(),
      () => undefined,
    );
    return { service, instance, metrics };
  };
  const workers = stack.workerUrls.slice(0, withSkewed ? 3 : 2);
  return await Promise.all([
    ask("api", "api-0", metricsUrl()),
    ...workers.map((url, i) => ask("worker", `worker-${i}`, url)),
  ]);
}

/** Waits until no alert is there, and returns the scrape. */
const quiet = async () =>
  await vi.waitFor(async () => {
    const scrapes = await scrapeAll();
    await expectAlerts([], scrapes);
    return scrapes;
  }, PATIENCE);

const ingest = async (eventType: string) =>
  await stack.client.events.ingestEvent({ eventType, snapshot: { case: "dataJson", value: "{}" } });
const deliveriesOf = async (eventType: string) =>
  (await stack.client.deliveries.listDeliveries({ eventType, pageSize: 100 })).deliveries;
/** Creates deliveries whose first attempt has failed, and whose retry is ten minutes away. */
const waiting = async (eventType: string, count: number) => {
  receiver.answer({ kind: "status", status: 500 });
  await stack.subscribe(receiver.url, eventType);
  for (let i = 0; i < count; i++) await ingest(eventType);
  return await vi.waitFor(async () => {
    const deliveries = await deliveriesOf(eventType);
    expect(deliveries.map(({ attempts }) => attempts)).toEqual(Array.from({ length: count }, () => 1));
    return deliveries;
  }, PATIENCE);
};
const tokenOfItsOwn = async () => {
  const token = { accountId: stack.accountId, name: "own", scopes: [...SCOPES], expiresAt: null };
  return (await createToken(stack.store, { ...token, now: Date.now() })).secret;
};
/** Sends requests, so many at once. */
const flood = async (count: number, atOnce: number, path: string, init: RequestInit) => {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await (await fetch(`${stack.apiUrl}${path}`, init)).text();
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
};

type Cause = {
  readonly what: string;
  readonly alerts: readonly string[];
  /** Brings it about, and returns what ends it. */
  readonly begin: () => Promise<() => Promise<unknown>>;
  /** How the processes are asked. Default: {@link scrapeAll} */
  readonly scrape?: () => Promise<Scrape[]>;
};

const over = async () => {};
/** Only the requests that ended with this code count. */
const onlyCode = (code: string) => async () =>
  (await scrapeAll()).map((scrape) => ({
    ...scrape,
    metrics: scrape.metrics
      ?.split("\n")
      .filter((line) => !line.startsWith("posthaste_requests_total") || line.includes(`code="${code}"`))
      .join("\n"),
  }));
const restartOf = (children: () => readonly Child[]) => async () => {
  await Promise.all(children().map((child) => child.kill()));
  return () => Promise.all(children().map((child) => child.start()));
};

const CAUSES: readonly Cause[] = [
  {
    what: "the only API is killed",
    alerts: ["PosthasteApiAway"],
    begin: restartOf(() => [api()]),
  },
  {
    what: "one of two workers is killed",
    alerts: ["PosthasteProcessAway"],
    begin: restartOf(() => [worker(0)]),
  },
  {
    what: "all workers are killed",
    alerts: ["PosthasteWorkerAway"],
    begin: restartOf(() => [worker(0), worker(1)]),
  },
  {
    what: "the database is killed",
    alerts: [
      "PosthasteDatabaseAway",
      "PosthasteBacklogUnmeasured",
      "PosthasteLoopFails",
      "PosthasteRequestsFault",
    ],
    begin: async () => {
      await mysql.kill();
      await flood(20, 5, "/api/Webhook", { headers: { authorization: `Bearer ${stack.token}` } });
      return () => mysql.restart();
    },
  },
  {
    what: "Temporal is killed while a delivery waits that is minutes old",
    alerts: ["PosthasteTemporalAway", "PosthasteBacklogOld"],
    begin: async () => {
      receiver.answer({ kind: "status", status: 200 });
      await stack.subscribe(receiver.url, "contact_created");
      await stack.temporal.kill();
      await ingestEvents(stack.store, {
        accountId: stack.accountId,
        now: Date.now() - 200_000,
        deliveriesMax: 1,
        events: [{ eventType: "contact_created", data: Buffer.from("{}"), idempotencyKey: null }],
      });
      return () => stack.temporal.start();
    },
  },
  {
    what: "a delivery is long overdue",
    alerts: ["PosthasteOverdue"],
    begin: async () => {
      const [id = ""] = (await waiting("contact_updated", 1)).map((delivery) => delivery.id);
      // Temporal, which was just restarted, might hand it out early. It would be sent, and not be overdue.
      await loseWorkflow(stack, id);
      const late = Date.now() - 200_000;
      const times = { started_at: late, next_attempt_at: late, reconcile_after: Date.now() + 120_000 };
      await stack.store.db
        .updateTable("deliveries")
        .set(times)
        .where("id", "=", id as DeliveryId)
        .execute();
      return () => stack.client.deliveries.cancelDelivery({ id });
    },
  },
  {
    what: "retries are due while no worker runs",
    alerts: ["PosthasteRetriesLate"],
    begin: async () => {
      const deliveries = await waiting("contact_deleted", 5);
      await Promise.all([worker(0).kill(), worker(1).kill()]);
      for (const { id } of deliveries) await stack.client.deliveries.retryDelivery({ id });
      await sleep(7_000);
      await Promise.all([worker(0).start(), worker(1).start()]);
      return over;
    },
  },
  {
    what: "attempts find no signing key",
    alerts: ["PosthasteFaults"],
    begin: async () => {
      const id = await stack.subscribe(receiver.url, "company_created");
      await stack.store.db.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
      for (let i = 0; i < 10; i++) await ingest("company_created");
      return () => stack.client.subscriptions.deleteSubscription({ id });
    },
  },
  {
    what: "no worker has the key of a subscription's secrets",
    alerts: ["PosthasteKeyMissing"],
    begin: async () => {
      const id = await stack.subscribe(receiver.url, "invoice_deleted");
      const secretKeys = parseSealingKeys(
        `other:${Buffer.alloc(32, 9).toString("base64")},${TEST_SECRET_KEYS}`,
      );
      const other = await openStore({ url: stack.databaseUrl, secretKeys });
      const { accountId } = stack;
      const change = { accountId, id, now: Date.now(), credential: "hush" };
      await updateSubscription(other, change).finally(() => closeStore(other));
      await ingest("invoice_deleted");
      return () => stack.client.subscriptions.deleteSubscription({ id });
    },
  },
  {
    what: "the database refuses to record attempts",
    alerts: ["PosthasteDeliveriesGivenUp"],
    begin: async () => {
      receiver.answer({ kind: "status", status: 200 });
      await stack.subscribe(receiver.url, "company_updated");
      const { heal } = await poison(stack.store, { table: "attempts", on: "insert", condition: "1 = 1" });
      await ingest("company_updated");
      return heal;
    },
  },
  {
    what: "receivers answer 500",
    alerts: ["PosthasteMostAttemptsFail"],
    begin: async () => {
      await waiting("company_deleted", 3);
      return over;
    },
  },
  {
    what: "a worker's clock is five seconds ahead",
    alerts: ["PosthasteClockSkewed"],
    begin: async () => {
      await skewed().start();
      return () => skewed().kill();
    },
    scrape: () => scrapeAll({ withSkewed: true }),
  },
  {
    what: "the deliveries of a subscription cannot be claimed",
    alerts: ["PosthasteRowsSetAside"],
    begin: async () => {
      const id = await stack.subscribe(receiver.url, "invoice_created");
      const condition = `new.subscription_id = ${id} and new.lease_until is not null`;
      const { heal } = await poison(stack.store, { table: "deliveries", on: "update", condition });
      await ingest("invoice_created");
      return heal;
    },
  },
  {
    what: "the drain of a subscription fails",
    alerts: ["PosthasteUpkeepSetAside"],
    begin: async () => {
      const id = await stack.subscribe(receiver.url, "invoice_updated");
      await stack.client.subscriptions.pauseSubscription({ id });
      await ingest("invoice_updated");
      const condition = `new.subscription_id = ${id}`;
      const { heal } = await poison(stack.store, { table: "deliveries", on: "update", condition });
      await stack.client.subscriptions.resumeSubscription({ id });
      return heal;
    },
  },
  {
    what: "a token calls an RPC too often",
    alerts: ["PosthasteCallersRefused"],
    begin: async () => {
      const authorization = `Bearer ${await tokenOfItsOwn()}`;
      await flood(300, 10, "/posthaste.v1.EventCatalogService/ListEventTypes", {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: "{}",
      });
      return over;
    },
    scrape: onlyCode("resource_exhausted"),
  },
  {
    what: "a token calls the gateway too often",
    alerts: ["PosthasteCallersRefused"],
    begin: async () => {
      const authorization = `Bearer ${await tokenOfItsOwn()}`;
      await flood(300, 10, "/api/Webhook", { headers: { authorization } });
      return over;
    },
    scrape: onlyCode("429"),
  },
  {
    what: "more requests arrive than there are places",
    alerts: ["PosthasteCallersRefused"],
    begin: async () => {
      let answered = 0;
      const call = async () => {
        await flood(1, 1, "/api/Webhook", { headers: { authorization: "Bearer none" } });
        answered += 1;
      };
      const calls: Promise<void>[] = [];
      // Those that have places keep them: their tokens cannot be looked up.
      await whileLocked(stack.databaseUrl, ["tokens"], async () => {
        calls.push(...Array.from({ length: REFUSED + REQUESTS_MAX }, call));
        await vi.waitFor(() => expect(answered).toBeGreaterThanOrEqual(REFUSED), PATIENCE);
      });
      await Promise.all(calls);
      return over;
    },
    scrape: onlyCode("503"),
  },
];

/** Reports its metrics, and again after more lines than standard output takes, which nobody reads. */
const LOGGER = `
  import { createLog, createMetrics, measureLog } from "@posthaste/runtime";
  const log = createLog("info", { service: "worker" });
  const metrics = createMetrics();
  measureLog(metrics);
  process.send(await metrics.render());
  for (let i = 0; i < 10_000; i++) log.info("line", { text: "x".repeat(1_000) });
  process.send(await metrics.render());
`;

test("the rules are valid", checkRules);

test("what a process has counted before it was started again is not taken from what it counts now", async () => {
  const counted = (startedAt: number, bound: string): Scrape => ({
    service: "worker",
    instance: "worker-0",
    metrics: [
      `process_start_time_seconds ${startedAt}`,
      ...["100", "10000", "+Inf"].map((le) => {
        const within = le === "+Inf" || Number(le) >= Number(bound);
        const labels = `task_queue="posthaste-retries-x",le="${le}"`;
        return `temporal_activity_schedule_to_start_latency_bucket{${labels}} ${within ? 5 : 0}`;
      }),
    ].join("\n"),
  });
  const others = (await quiet()).filter(({ instance }) => instance !== "worker-0");
  const [fast, late] = [counted(1, "100"), counted(2, "10000")];
  await expectAlerts(["PosthasteRetriesLate"], [...others, fast], [...others, late]);
});

test.each(CAUSES)(
  "an alert fires if $what",
  async ({ alerts, begin, scrape = scrapeAll }) => {
    const before = await quiet();
    const end = await begin();
    try {
      await vi.waitFor(async () => await expectAlerts(alerts, before, await scrape()), PATIENCE);
    } finally {
      await end();
    }
  },
  TIMEOUT_MS,
);

test("an alert fires if nobody reads a process's log", async () => {
  // A whole service would have to serve 30,000 requests for as many lines.
  const child = spawn(process.execPath, ["--input-type=module", "--eval", LOGGER], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  try {
    const messages = on(child, "message");
    const scrape = async (): Promise<Scrape> => {
      const [metrics] = (await messages.next()).value as [string];
      return { service: "worker", instance: "logger", metrics };
    };
    const others = await quiet();
    const before = await scrape();
    await expectAlerts(["PosthasteLogLost"], [...others, before], [...others, await scrape()]);
  } finally {
    child.kill("SIGKILL");
  }
});

test(
  "every panel of the dashboard shows something",
  async () => {
    expect(PANELS.length).toBeGreaterThan(20);
    const before = await quiet();
    const [delivery] = await waiting("invoice_sent", 1);
    await stack.client.deliveries.retryDelivery({ id: delivery?.id ?? "" });
    await vi.waitFor(async () => await expectPanels(before, await scrapeAll()), PATIENCE);
  },
  TIMEOUT_MS,
);

test("every rule is made to fire here", () => {
  const made = new Set([...CAUSES.flatMap(({ alerts }) => alerts), "PosthasteLogLost"]);
  expect([...made].sort()).toEqual([...ALERTS.keys()].sort());
});
