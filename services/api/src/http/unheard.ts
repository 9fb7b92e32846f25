import { constants, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { UNHEARD_PER_TURN } from "./limits.ts";

type UnheardParts = {
  readonly isCutOff: (stream: ServerHttp2Stream) => boolean;
  readonly isRefused: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean;
  readonly dropped: (why: "ended" | "refused") => void;
};

/**
 * Makes no requests of streams whose connection was closed while Node reads the bytes that opened them, few
 * in a turn of the event loop of those that were reset in those bytes, and none of those that are refused. To
 * make a request of a stream takes longer than to read it.
 *
 * @param options.isCutOff tells whether a stream's connection was closed
 * @param options.isRefused tells whether too many requests of its caller wait. HTTP/2 then tells the client
 *   that it may send this one again
 * @param options.dropped called for each stream of which no request is made
 */
export function boundUnheard(server: Http2Server, { isCutOff, isRefused, dropped }: UnheardParts): void {
  const [toRequest] = server.listeners("stream");
  if (toRequest === undefined) throw new Error("Node's HTTP/2 server has no listener of streams");
  let left = UNHEARD_PER_TURN;
  const renew = () => {
    left = UNHEARD_PER_TURN;
  };
  const drop = (stream: ServerHttp2Stream) => {
    // A reset with most codes is an error of the stream, which a request would handle.
    stream.on("error", () => {});
    dropped("ended");
  };
  const refuse = (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    // Node makes an error of it, whose stack costs more than the rest and is never read.
    const { stackTraceLimit } = Error;
    try {
      Error.stackTraceLimit = 0;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    dropped("refused");
  };
  server.removeAllListeners("stream").on("stream", (stream, headers, ...rest) => {
    if (isCutOff(stream)) return drop(stream);
    if (!stream.closed && isRefused(stream, headers)) return refuse(stream);
    if (!stream.closed) return toRequest.call(server, stream, headers, ...rest);
    if (left === UNHEARD_PER_TURN) setImmediate(renew);
    left -= 1;
    if (left >= 0) toRequest.call(server, stream, headers, ...rest);
    else drop(stream);
  });
}
