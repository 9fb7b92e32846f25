import type { Http2Server, ServerHttp2Stream } from "node:http2";
import { UNHEARD_PER_TURN } from "./limits.ts";

/**
 * Makes no requests of streams whose connection was closed while Node reads the bytes that opened them, and
 * few in a turn of the event loop of those that were reset in those bytes. To make a request of a stream
 * takes longer than to read it, and nobody waits for the answer.
 *
 * @param options.isCutOff tells whether a stream's connection was closed
 * @param options.dropped called for each stream of which no request is made
 */
export function boundUnheard(
  server: Http2Server,
  { isCutOff, dropped }: { isCutOff: (stream: ServerHttp2Stream) => boolean; dropped: () => void },
): void {
  const [toRequest] = server.listeners("stream");
  if (toRequest === undefined) throw new Error("Node's HTTP/2 server has no listener of streams");
  let left = UNHEARD_PER_TURN;
  const renew = () => {
    left = UNHEARD_PER_TURN;
  };
  const drop = (stream: ServerHttp2Stream) => {
    // A reset with most codes is an error of the stream, which a request would handle.
    stream.on("error", () => {});
    dropped();
  };
  server.removeAllListeners("stream").on("stream", (stream, ...rest) => {
    if (isCutOff(stream)) return drop(stream);
    if (!stream.closed) return toRequest.call(server, stream, ...rest);
    if (left === UNHEARD_PER_TURN) setImmediate(renew);
    left -= 1;
    if (left >= 0) toRequest.call(server, stream, ...rest);
    else drop(stream);
  });
}
