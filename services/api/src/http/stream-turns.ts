import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { createFairQueue } from "@posthaste/domain";
import { ENDED_WAITING_MAX, HANDED_OVER_PER_TURN } from "./limits.ts";

/** Owns the requests whose session is gone; Node no longer knows which it was. */
const NO_SESSION = {};

/**
 * Hands requests over HTTP/2 over, a few in each turn of the event loop. Connections take turns, and the
 * requests of one keep their order.
 *
 * A client may open all of its streams in one write. Node emits their requests in one turn of the loop, and
 * nobody else's would move until all of them are handled.
 *
 * Those that wait are bounded by the streams of the open connections. One whose client leaves meanwhile is
 * handed over as one that is over, to be logged; of these, {@link ENDED_WAITING_MAX} wait.
 */
export function createStreamTurns(
  handler: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
) {
  type Turn = () => void;
  const queue = createFairQueue<Turn, object>();
  const ended = new Set<Turn>();
  let isScheduled = false;
  const schedule = () => {
    if (isScheduled || queue.size() === 0) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      for (let n = 0; n < HANDED_OVER_PER_TURN; n++) queue.next()?.();
      schedule();
    });
  };
  return {
    take(request: Http2ServerRequest, response: Http2ServerResponse): void {
      const { stream } = request;
      const session = stream.session ?? NO_SESSION;
      const end = () => {
        ended.add(turn);
        if (ended.size <= ENDED_WAITING_MAX) return;
        queue.remove(session, turn);
        turn();
      };
      const turn = () => {
        ended.delete(turn);
        stream.off("close", end);
        handler(request, response);
      };
      stream.once("close", end);
      queue.add(session, turn);
      schedule();
    },
    /** Returns how many wait. */
    waiting: queue.size,
  };
}
