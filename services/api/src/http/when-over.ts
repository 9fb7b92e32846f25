import type { ServerResponse } from "node:http";
import type { Http2ServerResponse, ServerHttp2Stream } from "node:http2";

type Response = ServerResponse | Http2ServerResponse;

/** How often ended streams that Node has not destroyed are looked for; the second pass destroys them. */
const ENDED_CHECK_MS = 250;

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

/** Ends a response that is not going to be sent, and leaves its connection as it is. */
export function abandon(response: ServerResponse): void {
  if (response.socket !== null) response.detachSocket(response.socket);
  response.destroy();
  response.emit("close");
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
 * Destroys streams that are closed or answered but kept by Node, so that they emit `close`.
 *
 * Node keeps a stream that was reset with NO_ERROR until its body is read and its response is sent. But a
 * response that waits for the client's window is never sent, and nobody reads the body of an answered
 * request. Such a reset emits no event, so this polls.
 *
 * Node also keeps an answered stream whose body was read in part, such as one over its limit, until its
 * client has sent the rest. To destroy it asks the client to stop (RFC 9113, section 8.1).
 */
export function destroyEnded(streams: ReadonlySet<ServerHttp2Stream>): NodeJS.Timeout {
  // A stream that ended normally has until the next pass to deliver its last bytes, and to receive them.
  let ended: readonly ServerHttp2Stream[] = [];
  const destroyThenCollect = () => {
    for (const stream of ended) stream.destroy();
    ended = [...streams].filter((stream) => stream.closed || isAnswered(stream));
  };
  return setInterval(destroyThenCollect, ENDED_CHECK_MS).unref();
}

/** Tells whether the last frame of the answer was sent. */
function isAnswered({ writableFinished, state }: ServerHttp2Stream): boolean {
  return writableFinished && state.localClose === 1;
}
