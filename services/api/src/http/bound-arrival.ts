import type { IncomingMessage } from "node:http";
import { constants, type Http2ServerRequest } from "node:http2";

/** Cuts a request off if its body has not arrived within this time. */
export function boundArrival(request: IncomingMessage | Http2ServerRequest, withinMs: number): void {
  const stream = "stream" in request ? request.stream : undefined;
  // Nobody reads a request without a body to its end, so that `end` would not come.
  if (stream?.endAfterHeaders === true) return;
  const timer = setTimeout(() => {
    if (stream !== undefined) stream.close(constants.NGHTTP2_CANCEL);
    else if (!request.complete) request.destroy();
  }, withinMs);
  const settle = () => clearTimeout(timer);
  request.once("end", settle);
  (stream ?? request).once("close", settle);
}
