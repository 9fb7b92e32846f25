import type { ServerResponse } from "node:http";
import type { Http2ServerResponse, ServerHttp2Stream } from "node:http2";

type Response = ServerResponse | Http2ServerResponse;

/** How often closed streams that Node has not destroyed are looked for; the second pass destroys them. */
const CLOSED_CHECK_MS = 250;

/**
 * Tells whether a request is over: answered, reset, or its connection is gone.
 *
 * Over HTTP/2, only the stream is reliable. The response object has no `closed`, and after a reset HEAD
 * request it emits `close` only once a handler answers.
 */
export function isOver(response: Response): boolean {
  return "stream" in response ? response.stream.closed : response.destroyed;
}

/**
 * Calls back exactly once: when a request is over, or immediately if it is over already.
 *
 * A hook or handler may receive a request that is over. `one-port.ts` puts a connection's first bytes back,
 * and Node parses all of them before it emits the first request: if RST_STREAM was among them, the stream is
 * closed by then. Node emits its `close` in a tick, and a hook after an asynchronous hook runs after all
 * ticks, so a listener added there is never called.
 */
export function whenOver(response: Response, callback: () => void): void {
  if (isOver(response)) callback();
  else ("stream" in response ? response.stream : response).once("close", callback);
}

/**
 * Emits `close` on the HTTP/1.1 responses of a lost connection, if Node has not.
 *
 * Before version 24, Node emits it only on the response being sent, not on those of the pipelined requests
 * behind it.
 */
export function endUnheard(responses: Iterable<ServerResponse>): void {
  // Deferred until Node has emitted `close` on the current response.
  setImmediate(() => {
    for (const response of responses) {
      response.destroy();
      response.emit("close");
    }
  });
}

/**
 * Wakes a handler that waits for `drain`, once the request is over. Its next write then fails.
 *
 * If the client leaves during a write, Node emits neither `drain` nor an error. The handler of a stream would
 * wait forever and keep its place among the streams.
 */
export function wakeWriters(response: Response): void {
  response.emit("drain");
}

/**
 * Destroys closed streams that Node keeps, so that they emit `close`.
 *
 * Node keeps a stream that was reset with NO_ERROR until its body is read and its response is sent. But a
 * response that waits for the client's window is never sent, and nobody reads the body of an answered
 * request. Such a reset emits no event, so this polls.
 */
export function destroyClosed(streams: ReadonlySet<ServerHttp2Stream>): NodeJS.Timeout {
  // A stream that ended normally has until the next pass to deliver its last bytes.
  let closed: readonly ServerHttp2Stream[] = [];
  const destroyThenCollect = () => {
    for (const stream of closed) stream.destroy();
    closed = [...streams].filter((stream) => stream.closed);
  };
  return setInterval(destroyThenCollect, CLOSED_CHECK_MS).unref();
}
