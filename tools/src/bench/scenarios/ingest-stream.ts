import { createRpcCaller } from "../load/rpc-caller.ts";
import { inTurns, type Run } from "../measure/in-turns.ts";
import { rateFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Sizes } from "../scenario.ts";
import { eventOf } from "./traffic.ts";

/** Streams open at once, each with events of its own. */
const STREAMS = 4;

/** Events streamed over a few gRPC calls, as fast as they are acknowledged. */
export async function ingestStream(room: Room, sizes: Sizes, eventType: string): Promise<Figure> {
  const naming = { scenario: "ingest", name: "streamed, gRPC", item: "event", inLanes: false };
  const { stack, yardsticks } = room;
  const caller = createRpcCaller({
    baseUrl: stack.apiUrl,
    token: stack.token,
    protocol: "grpc",
    connections: STREAMS,
  });
  const { events } = caller;
  try {
    await streamed(events, eventType, sizes.seconds / 2);
    const measured = await inTurns({
      rounds: sizes.rounds,
      processes: room.processes,
      run: () => streamed(events, eventType, sizes.seconds),
      yardsticks: [yardsticks.bareInsert(100), yardsticks.noopRpc("grpc")],
    });
    return rateFigure(room, { ...naming, note: `${STREAMS} streams` }, measured);
  } finally {
    caller.close();
  }
}

/** Until everything that was sent in this time is acknowledged. */
async function streamed(
  client: ReturnType<typeof createRpcCaller>["events"],
  eventType: string,
  seconds: number,
): Promise<Run> {
  const begun = performance.now();
  const endAt = begun + seconds * 1_000;
  const counts = await Promise.all(
    Array.from({ length: STREAMS }, async () => {
      let count = 0;
      for await (const { acknowledgements } of client.ingestStream(eventsUntil(endAt, eventType))) {
        if (acknowledgements.some(({ outcome }) => outcome.case !== "stored"))
          throw new Error("an event of the stream was refused");
        count += acknowledgements.length;
      }
      return count;
    }),
  );
  const count = counts.reduce((sum, one) => sum + one, 0);
  return { count, seconds: (performance.now() - begun) / 1_000 };
}

/** The server reads as fast as it acknowledges, and with it this goes on. */
async function* eventsUntil(endAt: number, eventType: string) {
  for (let sequence = 0; performance.now() < endAt; sequence++) yield { sequence, event: eventOf(eventType) };
}
