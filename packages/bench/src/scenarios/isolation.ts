import { setTimeout as sleep } from "node:timers/promises";
import { createJsonCaller, type JsonCaller } from "../load/json-caller.ts";
import { steadily } from "../load/steady.ts";
import { latencyOf } from "../measure/statistics.ts";
import { plainFigure, yardstickOf } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario } from "../scenario.ts";
import { retriesDueAtOnce } from "./due-at-once.ts";
import { eventBody, INGEST_PATH, ingestMany, settled } from "./traffic.ts";

/** The load to healthy receivers, low enough to leave the machine spare capacity. */
const PROBES_PER_SECOND = 5;
const PROBES = 300;
const QUICK_PROBES = 60;
const WARM_UP_PROBES = 30;
const PROBE_CALLERS = 8;
const HEALTHY = 98;
const PENDING = 5_000;
const QUICK_PENDING = 200;
const ARRIVAL_WITHIN_MS = 120_000;
const HANGING_TYPE = "invoice_sent";
const FAILING_TYPE = "invoice_created";

export const isolation: Scenario = {
  name: "isolation",
  about: "the effect on 98 healthy receivers of one that hangs and one that fails",
  inLanes: true,
  async *run(room, sizes, note) {
    const { stack, receiver } = room;
    const pending = sizes.deliveries ?? (sizes.quick ? QUICK_PENDING : PENDING);
    const probes = sizes.quick ? QUICK_PROBES : PROBES;
    const caller = createJsonCaller({
      baseUrl: stack.apiUrl,
      token: stack.token,
      connections: 3 * PROBE_CALLERS,
    });
    try {
      note(`creating ${HEALTHY} healthy receivers, each with its own event type`);
      await subscribeHealthy(room);
      await probe(room, caller, WARM_UP_PROBES);
      const probed = async (when: string, alsoTo?: readonly string[]) => {
        note(when);
        return await probe(room, caller, probes, alsoTo);
      };
      const quiet = await probed("quiet");
      yield figureOf(room, "quiet", quiet, quiet);

      // First the same load to two more healthy receivers: the difference is the effect of the failures.
      const others = [HANGING_TYPE, FAILING_TYPE];
      const subscribeOthers = (...targets: readonly string[]) =>
        Promise.all(targets.map((target, i) => stack.subscribe(target, others[i])));
      const end = async (ids: readonly number[]) => {
        for (const id of ids) await stack.client.subscriptions.deleteSubscription({ id });
        await settled(stack, ARRIVAL_WITHIN_MS);
      };
      const healthy = await subscribeOthers(receiver.url("well", 0), receiver.url("well", 1));
      const amongHealthy = "the same load to two more healthy receivers";
      const quietAmongThree = await probed(amongHealthy, others);
      yield figureOf(room, amongHealthy, quietAmongThree, quietAmongThree);
      await end(healthy);
      const unhealthy = await subscribeOthers(receiver.url("hang"), receiver.url("fail"));
      const amongUnhealthy = "the same load to a receiver that hangs and one that fails";
      yield figureOf(room, amongUnhealthy, await probed(amongUnhealthy, others), quietAmongThree);
      await end(unhealthy);

      const pendingTo = await stack.subscribe(receiver.url("hang", 1), HANGING_TYPE);
      await ingestMany(stack, HANGING_TYPE, pending);
      const withPending = `${pending} deliveries pending to a receiver that hangs`;
      yield figureOf(room, withPending, await probed(withPending), quiet);
      await end([pendingTo]);

      const dueAt = await retriesDueAtOnce(stack, receiver.url("hang", 2), HANGING_TYPE, pending);
      await sleep(Math.max(0, dueAt - Date.now()));
      const withRetries = `${pending} retries to a receiver that hangs come due`;
      yield figureOf(room, withRetries, await probed(withRetries), quiet);
    } finally {
      await caller.close();
    }
  },
};

const healthyType = (n: number) => `bench_${n % HEALTHY}`;

async function subscribeHealthy({ stack, receiver }: Room): Promise<void> {
  for (let n = 0; n < HEALTHY; n++) {
    const code = healthyType(n);
    await stack.client.catalog.createEventType({ code, description: "For a benchmark.", sampleJson: "{}" });
    await stack.subscribe(receiver.url("ok", n), code);
  }
}

/**
 * Measures the milliseconds from each ingest to its arrival at a healthy receiver.
 *
 * @param alsoTo further event types; an event of each is sent along with each event to a healthy receiver
 */
async function probe(
  { receiver }: Room,
  caller: JsonCaller,
  count: number,
  alsoTo: readonly string[] = [],
): Promise<number[]> {
  await receiver.reset();
  const send = (typeOf: (n: number) => string) =>
    steadily({
      perSecond: PROBES_PER_SECOND,
      count,
      callers: PROBE_CALLERS,
      call: async (n) => {
        const answer = JSON.parse(await caller.post(INGEST_PATH, eventBody(typeOf(n))));
        return (answer as { eventId: string }).eventId;
      },
    });
  const [sent] = await Promise.all([send(healthyType), ...alsoTo.map((type) => send(() => type))]);
  await receiver.waitFor(count, { withinMs: ARRIVAL_WITHIN_MS });
  const arrivals = await receiver.arrivals();
  return sent.map(({ dueAt, answer }) => (arrivals.get(answer) ?? Number.NaN) - dueAt);
}

function figureOf(room: Room, when: string, tookMs: readonly number[], quietMs: readonly number[]): Figure {
  const latency = latencyOf(tookMs);
  return plainFigure(
    room,
    { scenario: "isolation", name: `${when}, p99`, item: "delivery", inLanes: true },
    {
      unit: "ms",
      better: "less",
      values: [latency.p99Ms],
      latency,
      yardsticks: yardstickOf("quiet p99", [latency.p99Ms], [latencyOf(quietMs).p99Ms]),
    },
  );
}
