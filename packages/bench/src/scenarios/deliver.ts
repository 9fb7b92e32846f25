import { MINUTE_MS } from "@posthaste/domain";
import { createJsonCaller } from "../load/json-caller.ts";
import { inTurns, type Run } from "../measure/in-turns.ts";
import { warmRate } from "../measure/warm-rate.ts";
import { rateFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario, Sizes } from "../scenario.ts";
import { CALLERS } from "../yardsticks/yardsticks.ts";
import { eventBody, INGEST_PATH, ingestMany, settled, subscribeMany } from "./traffic.ts";

const SINGLE = { eventType: "invoice_sent", subscriptions: 1 };
const MANY = { eventType: "invoice_created", subscriptions: 100 };
/** The fewest deliveries of a run that give a meaningful rate. */
const EVENTS_MIN = 60;
/** Bounds the arrivals in the receiver's memory. */
const DELIVERIES_MAX = 20_000;
/** Allows for the slowest lane on a busy machine. */
const PATIENCE_MS_PER_DELIVERY = 200;
const PATIENCE_MIN_MS = MINUTE_MS;

/** How a run sends its events, and to how many subscriptions each goes. */
type Way = {
  readonly name: string;
  readonly eventType: string;
  readonly subscriptions: number;
  readonly send: (events: number) => Promise<unknown>;
};

export const deliver: Scenario = {
  name: "deliver",
  about: "deliveries from the first ingest to the last request, to 1 and to 100 subscriptions",
  inLanes: true,
  async *run(room, sizes, note) {
    const { stack, receiver } = room;
    for (const { eventType, subscriptions } of [SINGLE, MANY]) {
      const targets = Array.from({ length: subscriptions }, (_, i) => receiver.url("ok", i));
      await subscribeMany(
        stack,
        eventType,
        targets.map((target) => `${target}/${eventType}`),
      );
    }
    const caller = createJsonCaller({ baseUrl: stack.apiUrl, token: stack.token, connections: CALLERS });
    const inBatches = (eventType: string) => (events: number) => ingestMany(stack, eventType, events);
    const ways: Way[] = [
      { ...SINGLE, name: "1 subscription, batches", send: inBatches(SINGLE.eventType) },
      { ...MANY, name: "100 subscriptions, batches", send: inBatches(MANY.eventType) },
      {
        ...SINGLE,
        name: `1 subscription, one per call, ${CALLERS} callers`,
        send: async (events) => {
          const queue = Array.from({ length: events }).values();
          const one = async () => {
            for (const _ of queue) await caller.post(INGEST_PATH, eventBody(SINGLE.eventType));
          };
          await Promise.all(Array.from({ length: CALLERS }, one));
        },
      },
    ];
    try {
      for (const way of ways) {
        note(way.name);
        yield await measure(room, sizes, way);
      }
    } finally {
      await caller.close();
    }
  },
};

async function measure(room: Room, sizes: Sizes, way: Way): Promise<Figure> {
  const { yardsticks, lane, stack } = room;
  const eventsMin = Math.ceil(EVENTS_MIN / way.subscriptions);
  const run = async (count: number) => {
    const done = await deliverAll(room, way, count);
    await settled(stack);
    return done;
  };
  const perSecond = await warmRate(run, eventsMin, DELIVERIES_MAX / way.subscriptions);
  const wanted = Math.min(DELIVERIES_MAX, perSecond * sizes.seconds);
  const events = Math.max(eventsMin, Math.round(wanted / way.subscriptions));
  const measured = await inTurns({
    rounds: sizes.rounds,
    processes: room.processes,
    run: () => deliverAll(room, way, events),
    settle: () => settled(stack),
    yardsticks:
      lane === "direct"
        ? [yardsticks.bareWay(), yardsticks.bareWorkflow()]
        : [yardsticks.bareWorkflow(), yardsticks.bareWay()],
  });
  const note = `${events * way.subscriptions} per run`;
  return rateFigure(
    room,
    { scenario: "deliver", name: way.name, item: "delivery", inLanes: true, note },
    measured,
  );
}

/** Measures the time from the first ingest to the last request. */
async function deliverAll({ receiver }: Room, way: Way, events: number): Promise<Run> {
  const count = events * way.subscriptions;
  await receiver.reset();
  const begun = performance.now();
  const sent = way.send(events);
  await Promise.all([
    sent,
    receiver.waitFor(count, {
      withinMs: Math.max(PATIENCE_MIN_MS, count * PATIENCE_MS_PER_DELIVERY),
    }),
  ]);
  return { count, seconds: (performance.now() - begun) / 1_000 };
}
