import { setTimeout as sleep } from "node:timers/promises";
import { createJsonCaller, type JsonCaller } from "../load/json-caller.ts";
import { createMeter } from "../measure/meter.ts";
import { latencyOf, percentile } from "../measure/statistics.ts";
import { plainFigure, yardstickOf } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario, Sizes } from "../scenario.ts";
import { eventBody, INGEST_PATH, settled, subscribeMany } from "./traffic.ts";

/** Each width has its own event type, so that the widths share no subscriptions. */
const WIDTHS = [
  { eventType: "invoice_sent", subscriptions: 1_000 },
  { eventType: "invoice_created", subscriptions: 10_000 },
] as const;
const QUICK_WIDTHS = [{ eventType: "invoice_sent", subscriptions: 500 }] as const;
/** The type of the other caller's events, to which nobody subscribes. */
const OTHER = "contact_created";
const OTHER_EVERY_MS = 5;
/** Allows for the slowest lane on a busy machine. */
const PATIENCE_MS_PER_DELIVERY = 200;

export const fanOut: Scenario = {
  name: "fan-out",
  about: "1 event to 1,000 and to 10,000 subscriptions, and how long another caller has to wait",
  inLanes: true,
  async *run(room, sizes, note) {
    const caller = createJsonCaller({
      baseUrl: room.stack.apiUrl,
      token: room.stack.token,
      connections: 2,
    });
    try {
      for (const width of sizes.quick ? QUICK_WIDTHS : WIDTHS) {
        note(`subscribing ${width.subscriptions} times`);
        yield* await measure(room, sizes, caller, width);
      }
    } finally {
      await caller.close();
    }
  },
};

async function measure(
  room: Room,
  sizes: Sizes,
  caller: JsonCaller,
  { eventType, subscriptions }: (typeof WIDTHS)[number] | (typeof QUICK_WIDTHS)[number],
): Promise<Figure[]> {
  const { stack, receiver } = room;
  const targets = Array.from({ length: subscriptions }, (_, i) => receiver.url("ok", i));
  await subscribeMany(
    stack,
    eventType,
    targets.map((target) => `${target}/${eventType}`),
  );
  const bareMs = await otherCalls(caller, sleep(sizes.seconds * 1_000));
  const [bareWay] = await room.yardsticks.bareWay().perSecond();
  const meter = createMeter(room.processes);
  await receiver.reset();
  meter.start();
  const begun = performance.now();
  const arrived = caller
    .post(INGEST_PATH, eventBody(eventType))
    .then(() => receiver.waitFor(subscriptions, { withinMs: subscriptions * PATIENCE_MS_PER_DELIVERY }));
  const othersMs = await otherCalls(caller, arrived);
  await arrived;
  const perSecond = subscriptions / ((performance.now() - begun) / 1_000);
  await settled(stack);
  meter.stop(subscriptions);
  const naming = { scenario: "fan-out", item: "delivery", inLanes: true };
  const wide = `1 event to ${subscriptions} subscriptions`;
  return [
    plainFigure(
      room,
      { ...naming, name: wide },
      {
        unit: "deliveries/s",
        better: "more",
        values: [perSecond],
        yardsticks: yardstickOf("no-op RPC, commit, POST in turn", [perSecond], [bareWay]),
        ...meter.costs(),
      },
    ),
    plainFigure(
      room,
      {
        ...naming,
        name: `${wide}: longest call of another caller`,
        item: "event",
        note: `${othersMs.length} calls with one event each; the yardstick is the longest call before the fan-out`,
      },
      {
        unit: "ms",
        better: "less",
        values: [longest(othersMs)],
        latency: latencyOf(othersMs),
        yardsticks: yardstickOf("the same while quiet", [longest(othersMs)], [longest(bareMs)]),
      },
    ),
  ];
}

/** Sends single events one at a time until a promise settles. Returns how long each took, in ms. */
async function otherCalls(caller: JsonCaller, until: Promise<unknown>): Promise<number[]> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  until.then(settle, settle);
  const tookMs: number[] = [];
  while (!isSettled) {
    const sentAt = performance.now();
    await caller.post(INGEST_PATH, eventBody(OTHER));
    tookMs.push(performance.now() - sentAt);
    await sleep(OTHER_EVERY_MS);
  }
  return tookMs;
}

function longest(values: readonly number[]): number {
  return percentile(Float64Array.from(values).sort(), 1);
}
