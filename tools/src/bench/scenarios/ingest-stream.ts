import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { createRpcCaller } from "../load/rpc-caller.ts";
import { inTurns, type Run } from "../measure/in-turns.ts";
import { plainFigure, rateFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Sizes } from "../scenario.ts";
import { eventOf } from "./traffic.ts";

const METHOD = "IngestStream";
/** Streams open at once, each with events of its own. */
const STREAMS = 4;

/** The part of the client that is there where the service has the method. */
type Streaming = {
  ingestStream(
    requests: AsyncIterable<{ sequence: number; event: ReturnType<typeof eventOf> }>,
  ): AsyncIterable<{ acknowledgements: readonly { readonly outcome: { readonly case?: string } }[] }>;
};

/** Events streamed over a few gRPC calls, as fast as they are acknowledged; not measured where the service has none for it. */
export async function ingestStream(room: Room, sizes: Sizes, eventType: string): Promise<Figure> {
  const naming = { scenario: "ingest", name: "streamed, gRPC", item: "event", inLanes: false };
  if (!EventIngestService.methods.some(({ name }) => name === METHOD)) {
    const note = `${METHOD} is not served`;
    return plainFigure(room, { ...naming, note }, { unit: "events/s", better: "more", values: [] });
  }
  const { stack, yardsticks } = room;
  const caller = createRpcCaller({
    baseUrl: stack.apiUrl,
    token: stack.token,
    protocol: "grpc",
    connections: STREAMS,
  });
  const events = caller.events as unknown as Streaming;
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
async function streamed(client: Streaming, eventType: string, seconds: number): Promise<Run> {
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
