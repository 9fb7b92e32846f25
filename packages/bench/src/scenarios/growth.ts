import { createJsonCaller, type JsonCaller } from "../load/json-caller.ts";
import { inTurns } from "../measure/in-turns.ts";
import { plainFigure, rateFigure } from "../report/figure.ts";
import { type Figure, productCpuMsOf } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario, Sizes } from "../scenario.ts";
import { CALLERS } from "../yardsticks/yardsticks.ts";
import { prefill } from "./prefill.ts";
import { eventBody, INGEST_PATH, ingestMany, settled } from "./traffic.ts";

const ROWS = [10_000, 100_000, 1_000_000] as const;
const QUICK_ROWS = [1_000, 20_000] as const;
const DELIVERED = "invoice_sent";
const UNHEARD = "contact_created";
const EVENTS = 1_000;
const DELIVERIES = 400;
const QUICK_DELIVERIES = 100;
const WARM_UP_DELIVERIES = 50;
const ARRIVAL_WITHIN_MS = 120_000;

export const growth: Scenario = {
  name: "growth",
  about: "the cost of an event and of a delivery with 10,000, 100,000 and 1,000,000 of them in the tables",
  inLanes: true,
  async *run(room, sizes, note) {
    const subscriptionId = await room.stack.subscribe(room.receiver.url("ok"), DELIVERED);
    const caller = createJsonCaller({
      baseUrl: room.stack.apiUrl,
      token: room.stack.token,
      connections: CALLERS,
    });
    try {
      await deliverMany(room, WARM_UP_DELIVERIES);
      let filled = 0;
      const all: { rows: number; figures: readonly Figure[] }[] = [];
      for (const rows of sizes.quick ? QUICK_ROWS : ROWS) {
        note(`filling the tables up to ${rows} rows`);
        await prefill(room.stack, { subscriptionId, eventType: DELIVERED }, filled, rows);
        filled = rows;
        note(`measuring with ${rows} rows`);
        const figures = await measure(room, sizes, caller, rows);
        all.push({ rows, figures });
        yield* figures;
      }
      yield* growthOf(room, all);
    } finally {
      await caller.close();
    }
  },
};

async function measure(room: Room, sizes: Sizes, caller: JsonCaller, rows: number): Promise<Figure[]> {
  const { rounds } = sizes;
  const { processes, stack, yardsticks } = room;
  const count = sizes.quick ? QUICK_DELIVERIES : DELIVERIES;
  const naming = { scenario: "growth", inLanes: true };
  const delivered = await inTurns({
    rounds,
    processes,
    run: () => deliverMany(room, count),
    settle: () => settled(stack),
    yardsticks: [yardsticks.bareWay()],
  });
  const accepted = await inTurns({
    rounds,
    processes,
    run: () => acceptMany(caller, EVENTS),
    yardsticks: [yardsticks.noopRpc("json")],
  });
  return [
    rateFigure(room, { ...naming, name: `deliveries at ${rows} rows`, item: "delivery" }, delivered),
    rateFigure(room, { ...naming, name: `events at ${rows} rows`, item: "event" }, accepted),
  ];
}

/** Returns the cost of an item with the most rows, relative to that with the fewest. */
function growthOf(room: Room, all: readonly { rows: number; figures: readonly Figure[] }[]): Figure[] {
  const [first, last] = [all[0], all.at(-1)];
  return (first?.figures ?? []).flatMap((fewest, i) => {
    const most = last?.figures[i];
    const ratio = most === undefined ? Number.NaN : productCpuMsOf(most) / productCpuMsOf(fewest);
    if (Number.isNaN(ratio)) return [];
    const name = `CPU per ${fewest.item} at ${last?.rows} rows, relative to ${first?.rows}`;
    const naming = { scenario: "growth", name, item: fewest.item, inLanes: true };
    return plainFigure(room, naming, { unit: "×", better: "less", values: [ratio] });
  });
}

/** Sends a fixed number of events, not for a fixed time: a fast run must not grow the tables more. */
async function acceptMany(caller: JsonCaller, count: number) {
  const queue = Array.from({ length: count }).values();
  const begun = performance.now();
  const one = async () => {
    for (const _ of queue) await caller.post(INGEST_PATH, eventBody(UNHEARD));
  };
  await Promise.all(Array.from({ length: CALLERS }, one));
  return { count, seconds: (performance.now() - begun) / 1_000 };
}

async function deliverMany({ stack, receiver }: Room, count: number) {
  await receiver.reset();
  const begun = performance.now();
  await ingestMany(stack, DELIVERED, count);
  await receiver.waitFor(count, { withinMs: ARRIVAL_WITHIN_MS });
  return { count, seconds: (performance.now() - begun) / 1_000 };
}
