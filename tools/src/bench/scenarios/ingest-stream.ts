import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { plainFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Sizes } from "../scenario.ts";

const METHOD = "IngestStream";

/** Events streamed over one gRPC call, where the service has one for it. */
export async function ingestStream(room: Room, _sizes: Sizes, _eventType: string): Promise<Figure> {
  const naming = { scenario: "ingest", name: "streamed, gRPC", item: "event", inLanes: false };
  const isServed = EventIngestService.methods.some(({ name }) => name === METHOD);
  const note = isServed ? "cannot be measured yet" : `${METHOD} is not served`;
  return plainFigure(room, { ...naming, note }, { unit: "events/s", better: "more", values: [] });
}
