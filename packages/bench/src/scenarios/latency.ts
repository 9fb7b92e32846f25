import { MINUTE_MS } from "@posthaste/domain";
import { createJsonCaller, type JsonCaller } from "../load/json-caller.ts";
import { steadily } from "../load/steady.ts";
import type { Run } from "../measure/in-turns.ts";
import { createMeter } from "../measure/meter.ts";
import { latencyOf, median } from "../measure/statistics.ts";
import { warmRate } from "../measure/warm-rate.ts";
import { plainFigure, yardstickOf } from "../report/figure.ts";
import type { Room } from "../room.ts";
import type { Scenario } from "../scenario.ts";
import { fewCallers } from "./few-callers.ts";
import { eventBody, INGEST_PATH, ingestMany, settled } from "./traffic.ts";

const EVENT_TYPE = "invoice_sent";
const CONNECTIONS = 4;
/** The load, as a share of the maximum rate: low enough to leave the machine spare capacity. */
const LOAD_SHARE = 0.2;
const TRIAL_DELIVERIES = 60;
const TRIAL_DELIVERIES_MAX = 4_000;
/** Enough that a percentile of one run is not just its slowest calls. */
const CALLS_MIN = 60;
const ARRIVAL_WITHIN_MS = MINUTE_MS;

export const latency: Scenario = {
  name: "latency",
  about:
    "4 connections at 20 % load and in a closed loop: the time until an event is accepted, and has arrived",
  inLanes: true,
  async *run(room, sizes, note) {
    const { stack, receiver } = room;
    await stack.subscribe(receiver.url("ok"), EVENT_TYPE);
    const most = await warmRate((size) => deliverAll(room, size), TRIAL_DELIVERIES, TRIAL_DELIVERIES_MAX);
    const perSecond = Math.max(1, most * LOAD_SHARE);
    note(`${perSecond.toFixed(1)} events per second`);
    const caller = createJsonCaller({
      baseUrl: stack.apiUrl,
      token: stack.token,
      connections: CONNECTIONS,
    });
    const count = Math.max(CALLS_MIN, Math.round(perSecond * sizes.seconds));
    const acks: number[][] = [];
    const endToEnd: number[][] = [];
    const noops: number[][] = [];
    const meter = createMeter(room.processes);
    try {
      await measureRound(room, caller, perSecond, CALLS_MIN);
      for (let round = 0; round < sizes.rounds; round++) {
        meter.start();
        const { acksMs, endToEndMs } = await measureRound(room, caller, perSecond, count);
        meter.stop(count);
        acks.push(acksMs);
        endToEnd.push(endToEndMs);
        noops.push(await noopsMs(caller, perSecond, count));
      }
    } finally {
      await caller.close();
    }
    const p50s = (rounds: number[][]) => rounds.map((round) => median(round));
    const noop = (values: number[][]) => yardstickOf("no-op RPC at the same pace", p50s(values), p50s(noops));
    const naming = { scenario: "latency", item: "event", inLanes: true };
    const at = `${CONNECTIONS} connections, ${perSecond.toFixed(1)}/s`;
    yield plainFigure(
      room,
      { ...naming, name: "accepted, p50", note: at },
      {
        unit: "ms",
        better: "less",
        values: p50s(acks),
        latency: latencyOf(acks.flat()),
        yardsticks: noop(acks),
      },
    );
    yield plainFigure(
      room,
      { ...naming, name: "end to end, p50", note: at },
      {
        unit: "ms",
        better: "less",
        values: p50s(endToEnd),
        latency: latencyOf(endToEnd.flat()),
        yardsticks: noop(endToEnd),
        ...meter.costs(),
      },
    );
    yield* fewCallers(room, sizes, EVENT_TYPE);
  },
};

/** Sends events all at once, and measures the time from the first ingest to the last request. */
async function deliverAll({ stack, receiver }: Room, count: number): Promise<Run> {
  await receiver.reset();
  const begun = performance.now();
  await ingestMany(stack, EVENT_TYPE, count);
  await receiver.waitFor(count, { withinMs: ARRIVAL_WITHIN_MS });
  const seconds = (performance.now() - begun) / 1_000;
  await settled(stack);
  return { count, seconds };
}

/** Sends events at a steady pace. Returns the times until they are accepted and until they arrive, in ms. */
async function measureRound({ receiver }: Room, caller: JsonCaller, perSecond: number, count: number) {
  await receiver.reset();
  const calls = await steadily({
    perSecond,
    count,
    callers: CONNECTIONS,
    call: async () => {
      const answer = JSON.parse(await caller.post(INGEST_PATH, eventBody(EVENT_TYPE)));
      return (answer as { eventId: string }).eventId;
    },
  });
  await receiver.waitFor(count, { withinMs: ARRIVAL_WITHIN_MS });
  const arrivals = await receiver.arrivals();
  return {
    acksMs: calls.map(({ dueAt, answeredAt }) => answeredAt - dueAt),
    endToEndMs: calls.map(({ dueAt, answer }) => (arrivals.get(answer) ?? Number.NaN) - dueAt),
  };
}

/** Sends no-op RPCs at the same pace. Returns how long each took, in ms. */
async function noopsMs(caller: JsonCaller, perSecond: number, count: number): Promise<number[]> {
  const calls = await steadily({
    perSecond,
    count,
    callers: CONNECTIONS,
    call: () => caller.post("/grpc.health.v1.Health/Check", "{}"),
  });
  return calls.map(({ dueAt, answeredAt }) => answeredAt - dueAt);
}
