import { createServer, type ServerResponse } from "node:http";
import type { Ask, Behaviour, Told } from "./receiver.ts";

/*
 * The receiver's own process: it counts, notes when each event came first, and answers by the first part of the path.
 * It keeps no request, so that it is never what limits a measurement.
 */

/** Of one measurement; what is beyond is only counted. */
const ARRIVALS_MAX = 200_000;
/** Longer than any pause of a measurement: that a connection is kept is the sender's matter. */
const KEEP_ALIVE_MS = 120_000;
/** A behaviour that nobody planned is the bench's own fault. */
const UNKNOWN_STATUS = 404;

const counts: Record<Behaviour, number> = { ok: 0, well: 0, fail: 0, hang: 0 };
const arrivals = new Map<string, number>();
let waiting: { behaviour: Behaviour; count: number; told: () => void }[] = [];
let healed = false;

function answer(behaviour: Behaviour, response: ServerResponse): void {
  if (behaviour === "hang" && !healed) return;
  response.statusCode = behaviour === "fail" && !healed ? 500 : 200;
  response.end();
}

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
  const arrivedAt = performance.timeOrigin + performance.now();
  const behaviour = request.url?.split("/")[1] as Behaviour;
  request.resume();
  request.once("end", () => {
    if (counts[behaviour] === undefined) {
      response.writeHead(UNKNOWN_STATUS).end();
      return;
    }
    counts[behaviour] += 1;
    const eventId = request.headers["webhook-id"];
    if (behaviour === "ok" && typeof eventId === "string" && arrivals.size < ARRIVALS_MAX)
      if (!arrivals.has(eventId)) arrivals.set(eventId, arrivedAt);
    answer(behaviour, response);
    if (waiting.length === 0) return;
    waiting = waiting.filter((one) => {
      const isDue = one.behaviour === behaviour && counts[behaviour] >= one.count;
      if (isDue) one.told();
      return !isDue;
    });
  });
});

process.on("message", ({ id, ask }: { id: number; ask: Ask }) => {
  const done = (answer: Told["answer"] = null) => process.send?.({ id, answer } satisfies Told);
  switch (ask.kind) {
    case "reset":
      for (const behaviour of Object.keys(counts) as Behaviour[]) counts[behaviour] = 0;
      arrivals.clear();
      done();
      break;
    case "heal":
      healed = true;
      done();
      break;
    case "count":
      done(counts[ask.behaviour]);
      break;
    case "arrivals":
      done([...arrivals]);
      break;
    case "wait":
      if (counts[ask.behaviour] >= ask.count) done();
      else waiting.push({ ...ask, told: done });
      break;
  }
});
// Without its parent nobody needs it.
process.once("disconnect", () => process.exit(0));

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  process.send?.({ id: 0, answer: port } satisfies Told);
});
