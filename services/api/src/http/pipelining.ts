import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { PIPELINED_MAX } from "./limits.ts";
import { abandon } from "./when-over.ts";

/**
 * Hands over the requests of a connection one after the other, each when the one before is over.
 *
 * A client may send requests without waiting for answers (pipelining), but gets the answers in their order.
 * An answer that waits for those before it would hold its request's place, for ten minutes behind a stream.
 */
export function createPipelining(
  handOver: (connection: Socket, request: IncomingMessage, response: ServerResponse) => void,
) {
  type Turn = { isBegun: boolean; readonly begin: () => void };
  /** The requests of each connection in their order; the first is being handled. */
  const queues = new WeakMap<Socket, Turn[]>();
  return {
    take(request: IncomingMessage, response: ServerResponse) {
      const { socket } = request;
      const queue = queues.get(socket) ?? [];
      queues.set(socket, queue);
      const turn: Turn = {
        isBegun: false,
        begin() {
          turn.isBegun = true;
          handOver(socket, request, response);
        },
      };
      response.once("close", () => {
        queue.splice(queue.indexOf(turn), 1);
        if (turn.isBegun) {
          // If the connection ends, those that wait are closed with it.
          if (socket.writable) queue[0]?.begin();
        } else {
          // The connection is lost. The request is handed over as one that is over, to be logged.
          response.destroy();
          turn.begin();
        }
      });
      queue.push(turn);
      // Its connection has been ended, so it would not be answered.
      if (!socket.writable) abandon(response);
      else if (queue.length === 1) turn.begin();
      else if (queue.length > 1 + PIPELINED_MAX) socket.destroy();
    },
  };
}
