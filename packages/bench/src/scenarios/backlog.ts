import { MINUTE_MS } from "@posthaste/domain";
import { poll, until } from "@posthaste/testkit";
import { createMeter, peaksOf } from "../measure/meter.ts";
import { plainFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario } from "../scenario.ts";
import { ingestMany, subscribeMany } from "./traffic.ts";

const DELIVERIES = 100_000;
const QUICK_DELIVERIES = 500;
/** The deliveries waiting in Temporal, as a share of those in the database. */
const IN_TEMPORAL_SHARE = 0.1;
const FAILING_TYPE = "invoice_sent";
const WAITING_TYPE = "invoice_created";
/** Subscriptions per event of the backlog: so many that the limit of a single one does not slow it down. */
const SUBSCRIPTIONS = 100;
const FAILING_SUBSCRIPTIONS = 10;
const RETRIES_AT_ONCE = 8;
/** A longer recovery is cut off. Its rate is computed from the deliveries sent until then. */
const RECOVERY_WINDOW_S = 600;
const POLL_EVERY_MS = 250;
/** Allows for the slowest lane on a busy machine. */
const PATIENCE_MS_PER_DELIVERY = 200;
const PATIENCE_MIN_MS = MINUTE_MS;

const patienceMs = (count: number) => Math.max(PATIENCE_MIN_MS, count * PATIENCE_MS_PER_DELIVERY);

export const backlog: Scenario = {
  name: "backlog",
  about: "100,000 deliveries waiting in the database and 10,000 in Temporal: memory, and the recovery",
  inLanes: true,
  async *run(room, sizes, note) {
    const { stack } = room;
    const inDatabase = sizes.deliveries ?? (sizes.quick ? QUICK_DELIVERIES : DELIVERIES);
    const inTemporal = Math.ceil(inDatabase * IN_TEMPORAL_SHARE);
    note(`creating ${inTemporal} deliveries that fail and wait in Temporal`);
    yield await waitInTemporal(room, inTemporal);

    const [worker] = stack.workers;
    const peakBefore = peaksOf(room.processes)["worker"] ?? Number.NaN;
    await worker?.stop();
    note(`creating ${inDatabase} deliveries that wait in the database`);
    await fillDatabase(room, inDatabase);
    await worker?.start();
    note("recovering");
    yield await recover(room, inDatabase);
    note("retrying the deliveries that wait in Temporal");
    yield await retry(room, inTemporal);
    yield* memoryOf(room, peakBefore, inDatabase);
  },
};

/** Creates deliveries whose first attempt fails, and measures how fast that goes. */
async function waitInTemporal(room: Room, count: number): Promise<Figure> {
  const { stack, receiver } = room;
  const targets = Array.from({ length: FAILING_SUBSCRIPTIONS }, (_, i) => receiver.url("fail", i));
  await subscribeMany(stack, FAILING_TYPE, targets);
  const events = Math.ceil(count / FAILING_SUBSCRIPTIONS);
  const meter = createMeter(room.processes);
  meter.start();
  const begun = performance.now();
  await ingestMany(stack, FAILING_TYPE, events);
  const expected = events * FAILING_SUBSCRIPTIONS;
  await receiver.waitFor(expected, { behaviour: "fail", withinMs: patienceMs(expected) });
  const seconds = (performance.now() - begun) / 1_000;
  meter.stop(expected);
  return figureOf(room, "first attempts that fail", expected / seconds, expected, meter.costs());
}

/** Creates deliveries while no worker runs, so that they wait in the database. */
async function fillDatabase({ stack, receiver }: Room, count: number): Promise<void> {
  const targets = Array.from({ length: SUBSCRIPTIONS }, (_, i) => receiver.url("ok", i));
  await subscribeMany(stack, WAITING_TYPE, targets);
  await receiver.reset();
  await ingestMany(stack, WAITING_TYPE, Math.ceil(count / SUBSCRIPTIONS));
}

/** Measures how fast the deliveries in the database are sent once a worker runs. */
async function recover(room: Room, count: number): Promise<Figure> {
  const { receiver } = room;
  const expected = Math.ceil(count / SUBSCRIPTIONS) * SUBSCRIPTIONS;
  const meter = createMeter(room.processes);
  meter.start();
  const begun = performance.now();
  let done = 0;
  const isRecovered = async () => {
    done = await receiver.count("ok");
    return done >= expected;
  };
  await poll(isRecovered, { withinMs: RECOVERY_WINDOW_S * 1_000, everyMs: POLL_EVERY_MS });
  const seconds = (performance.now() - begun) / 1_000;
  meter.stop(done);
  return figureOf(room, "recovery from the database", done / seconds, done, meter.costs());
}

/** Retries the failed deliveries as an operator would once the receiver works again. */
async function retry(room: Room, count: number): Promise<Figure> {
  const { stack, receiver } = room;
  const rows = await stack.store.db
    .selectFrom("deliveries")
    .select("id")
    .where("event_type", "=", FAILING_TYPE)
    .where("state", "=", "started")
    .execute();
  await receiver.heal();
  const before = await receiver.count("fail");
  const queue = rows.values();
  const begun = performance.now();
  const caller = async () => {
    for (const { id } of queue) await stack.client.deliveries.retryDelivery({ id });
  };
  await Promise.all(Array.from({ length: RETRIES_AT_ONCE }, caller));
  await until(async () => (await receiver.count("fail")) - before >= rows.length, {
    withinMs: patienceMs(count),
  });
  const seconds = (performance.now() - begun) / 1_000;
  return figureOf(room, "retried now from Temporal", rows.length / seconds, rows.length, {
    cpuMs: {},
    writtenBytes: {},
  });
}

/** Returns the peak memory of API and worker; for the worker, the larger of its two processes. */
function memoryOf(room: Room, workerBefore: number, count: number): Figure[] {
  const peaks = peaksOf(room.processes);
  const most = { api: peaks["api"], worker: Math.max(peaks["worker"] ?? Number.NaN, workerBefore) };
  return Object.entries(most).flatMap(([name, bytes]) => {
    if (bytes === undefined || Number.isNaN(bytes)) return [];
    return plainFigure(
      room,
      { scenario: "backlog", name: `peak memory, ${name}`, item: "delivery", inLanes: true },
      { unit: "MB", better: "less", values: [bytes / 1e6], note: `${count} waiting in the database` },
    );
  });
}

function figureOf(
  room: Room,
  name: string,
  perSecond: number,
  count: number,
  costs: Pick<Figure, "cpuMs" | "writtenBytes">,
): Figure {
  const naming = { scenario: "backlog", name, item: "delivery", inLanes: true, note: `${count} deliveries` };
  return plainFigure(room, naming, {
    unit: "deliveries/s",
    better: "more",
    values: [perSecond],
    ...costs,
  });
}
