import type { ServerResponse } from "node:http";
import type { Http2ServerResponse, ServerHttp2Stream } from "node:http2";

type Response = ServerResponse | Http2ServerResponse;

/** How often closed streams are looked for that are still there; they keep their places for two looks. */
const CLOSED_LOOK_MS = 250;

/**
 * Whether a request is over: it was answered or reset, or its connection is gone.
 *
 * Over HTTP/2 the stream tells. The response object has no `closed`, and where a HEAD request is reset its
 * `close` comes only when a handler answers all the same.
 */
export function isOver(response: Response): boolean {
  return "stream" in response ? response.stream.closed : response.destroyed;
}

/**
 * Calls back exactly once: when a request is over, or at once if it is over already.
 *
 * A hook or a handler may well get a request that is over. `one-port.ts` puts a connection's first bytes
 * back, and Node parses all of them before it hands out the first request: a stream whose RST_STREAM came
 * along is closed by then. Its `close` is emitted in a tick, and a hook behind an asynchronous one runs after
 * all ticks. A listener that such a hook adds is never called.
 */
export function whenOver(response: Response, callback: () => void): void {
  if (isOver(response)) callback();
  else ("stream" in response ? response.stream : response).once("close", callback);
}

/**
 * Emits the `close` of HTTP/1.1 responses whose connection is gone, where Node does not.
 *
 * Before 24, Node tells only the response whose turn it is. Those to pipelined requests behind it would never
 * hear.
 */
export function endUnheard(responses: Iterable<ServerResponse>): void {
  // By then Node has told the one that it tells.
  setImmediate(() => {
    for (const response of responses) {
      response.destroy();
      response.emit("close");
    }
  });
}

/**
 * Wakes whoever waits for room to write on, once the request is over: the next write fails then.
 *
 * Of a write that was under way when the client left, Node emits neither `drain` nor an error. The handler of
 * a stream would wait for ever, and keep its place among the streams.
 */
export function wakeWriters(response: Response): void {
  response.emit("drain");
}

/**
 * Destroys streams that are closed but still there, so that their `close` comes.
 *
 * Node keeps a stream that was reset with NO_ERROR until its body is read and its answer is sent. But an
 * answer that waits for the client's window is never sent, and nobody reads the body of a request that is
 * answered. No event tells of such a reset, so this looks for them.
 */
export function destroyClosed(streams: ReadonlySet<ServerHttp2Stream>): NodeJS.Timeout {
  // A stream that came to its end by itself has until the next look to pass on its last bytes.
  let closed: readonly ServerHttp2Stream[] = [];
  const look = () => {
    for (const stream of closed) stream.destroy();
    closed = [...streams].filter((stream) => stream.closed);
  };
  return setInterval(look, CLOSED_LOOK_MS).unref();
}
