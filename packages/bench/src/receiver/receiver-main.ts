import { createServer, type ServerResponse } from "node:http";
import type { Answer, Behaviour, Command } from "./receiver.ts";

/*
 * The receiver's process. It counts requests, records when each event first arrived, and answers according to
 * the first part of the path. It stores no request, so that it never limits a measurement.
 */

/** Arrivals recorded per measurement; further events are only counted. */
const ARRIVALS_MAX = 200_000;
/** Longer than any pause of a measurement, so that only the sender closes connections. */
const KEEP_ALIVE_MS = 120_000;
/** The answer to an unknown path, which is an error in the bench. */
const UNKNOWN_STATUS = 404;

const counts: Record<Behaviour, number> = { ok: 0, well: 0, fail: 0, hang: 0 };
const arrivals = new Map<string, number>();
let waiting: { behaviour: Behaviour; count: number; done: () => void }[] = [];
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
      const isReached = one.behaviour === behaviour && counts[behaviour] >= one.count;
      if (isReached) one.done();
      return !isReached;
    });
  });
});

process.on("message", ({ id, command }: { id: number; command: Command }) => {
  const done = (value: Answer["value"] = null) => process.send?.({ id, value } satisfies Answer);
  switch (command.kind) {
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
      done(counts[command.behaviour]);
      break;
    case "arrivals":
      done([...arrivals]);
      break;
    case "wait":
      if (counts[command.behaviour] >= command.count) done();
      else waiting.push({ ...command, done });
      break;
  }
});
// The parent has ended, so the receiver is no longer needed.
process.once("disconnect", () => process.exit(0));

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  process.send?.({ id: 0, value: port } satisfies Answer);
});
