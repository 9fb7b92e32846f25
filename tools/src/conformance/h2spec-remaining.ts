const ENDED_STREAM =
  "Node's (nghttp2): it ignores frames on a stream that has ended, as RFC 9113, section 5.1, allows for a while";
const PRIORITY = "Node's (nghttp2): it ignores priorities, which RFC 9113, section 5.3.2, has deprecated";

/**
 * The strict cases of h2spec that the API fails, and whose each is. Those of Node fail in the same way on a
 * server that is Node's `http2` and nothing else.
 */
export const REMAINING: Readonly<Record<string, string>> = {
  "http2/3.5: Sends invalid connection preface":
    "ours: what does not begin like HTTP/2 is HTTP/1.1, on the same port, and answered 400",
  "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame": ENDED_STREAM,
  "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame": ENDED_STREAM,
  "http2/5.1: closed: Sends a DATA frame": ENDED_STREAM,
  "http2/5.1: closed: Sends a HEADERS frame": ENDED_STREAM,
  "http2/5.1.1: Sends stream identifier that is numerically smaller than previous":
    "Node's (nghttp2): it takes such a stream for one that has ended",
  "http2/5.3.1: Sends PRIORITY frame that depend on itself": PRIORITY,
  "http2/6.3: Sends a PRIORITY frame with 0x0 stream identifier": PRIORITY,
  "http2/6.7: Sends a PING frame with ACK":
    "Node's: it ends the connection of a client that acknowledges a PING that was never sent",
  "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream":
    "Node's: it ends the whole connection instead of the stream",
};
