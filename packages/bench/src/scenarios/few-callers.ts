import { MINUTE_MS } from "@posthaste/domain";
import { createJsonCaller } from "../load/json-caller.ts";
import { inTurns, type Run } from "../measure/in-turns.ts";
import { latencyOf, median } from "../measure/statistics.ts";
import { plainFigure, rateFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Sizes } from "../scenario.ts";
import { eventBody, INGEST_PATH, settled } from "./traffic.ts";

/** As many as a small service has connections. */
const CALLERS = 4;
const ARRIVAL_WITHIN_MS = MINUTE_MS;

/**
 * Measures few callers, each of which sends its next event as soon as the last one is accepted: the rate at
 * which events arrive, until the last one has, and how long each takes to be accepted and to arrive. There is
 * one subscription to the event type.
 */
export async function* fewCallers(room: Room, sizes: Sizes, eventType: string): AsyncIterable<Figure> {
  const { stack, yardsticks } = room;
  const caller = createJsonCaller({ baseUrl: stack.apiUrl, token: stack.token, connections: CALLERS });
  const send = async () => {
    const sentAt = performance.timeOrigin + performance.now();
    const { eventId } = JSON.parse(await caller.post(INGEST_PATH, eventBody(eventType))) as {
      eventId: string;
    };
    return { eventId, sentAt, answeredAt: performance.timeOrigin + performance.now() };
  };
  const acksMs: number[][] = [];
  const endToEndMs: number[][] = [];
  const run = async (): Promise<Run> => {
    const { sent, arrivals, seconds } = await untilAllArrive(room, sizes.seconds, send);
    acksMs.push(sent.map(({ sentAt, answeredAt }) => answeredAt - sentAt));
    endToEndMs.push(sent.map(({ eventId, sentAt }) => (arrivals.get(eventId) ?? Number.NaN) - sentAt));
    return { count: sent.length, seconds };
  };
  try {
    // To warm up.
    await run();
    await settled(stack);
    acksMs.length = 0;
    endToEndMs.length = 0;
    const measured = await inTurns({
      rounds: sizes.rounds,
      processes: room.processes,
      run,
      settle: () => settled(stack),
      yardsticks: [yardsticks.bareWay(CALLERS)],
    });
    const of = `${CALLERS} callers in a closed loop`;
    const naming = { scenario: "latency", inLanes: true };
    yield rateFigure(room, { ...naming, name: of, item: "delivery" }, measured);
    for (const [what, rounds] of [["accepted", acksMs] as const, ["end to end", endToEndMs] as const]) {
      const values = rounds.map((round) => median(round));
      const latency = latencyOf(rounds.flat());
      yield plainFigure(
        room,
        { ...naming, name: `${of}, ${what}, p50`, item: "event" },
        { unit: "ms", better: "less", values, latency },
      );
    }
  } finally {
    await caller.close();
  }
}

type Sent = { readonly eventId: string; readonly sentAt: number; readonly answeredAt: number };

/** Lets the callers send for some seconds, and waits until everything that was accepted has arrived. */
async function untilAllArrive({ receiver }: Room, seconds: number, send: () => Promise<Sent>) {
  await receiver.reset();
  const sent: Sent[] = [];
  const begun = performance.now();
  const one = async () => {
    while (performance.now() < begun + seconds * 1_000) sent.push(await send());
  };
  await Promise.all(Array.from({ length: CALLERS }, one));
  await receiver.waitFor(sent.length, { withinMs: ARRIVAL_WITHIN_MS });
  const tookSeconds = (performance.now() - begun) / 1_000;
  return { sent, arrivals: await receiver.arrivals(), seconds: tookSeconds };
}
