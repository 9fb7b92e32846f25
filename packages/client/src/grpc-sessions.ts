import { type Http2Session, constants as http2 } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** How long an HTTP/2 connection may be silent before it is pinged. */
const PING_INTERVAL_MS = 3_000;
/**
 * How long a ping may take before its connection is replaced. With the interval, half of
 * the default deadline.
 */
const PING_TIMEOUT_MS = 2_000;
/**
 * Maximum memory that Node counts for a connection, in MB: 1 TB, more than a process holds. Nearly all of it
 * is messages to be sent, which their callers hold anyway. Beyond, Node resets each stream that is answered.
 * Its default, 10 MB, is ten of the largest events.
 */
const SESSION_MEMORY_MAX_MB = 1_000_000;

/** Keeps one connection for all calls, pings it, and replaces it once it is of no use. */
export class GrpcSessions extends Http2SessionManager {
  /** The open connections: that for new calls, and replaced ones whose calls are in flight. */
  readonly #open = new Set<Http2Session>();

  constructor(url: string) {
    super(
      url,
      { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
      { maxSessionMemory: SESSION_MEMORY_MAX_MB },
    );
  }

  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session === undefined) return stream;
    if (!this.#open.has(session)) this.#watch(session);
    stream.once("close", () => {
      // Either end has no memory left for this connection, and later calls would fail as well: Node keeps
      // counting what was still to be sent when a call was cut off.
      if (stream.rstCode === http2.NGHTTP2_ENHANCE_YOUR_CALM) session.close();
    });
    return stream;
  }

  /** Cuts off the calls of replaced connections, too. */
  override abort(reason: Error = new ConnectError("connection aborted", Code.Canceled)) {
    super.abort(reason);
    for (const session of this.#open) session.destroy(reason, http2.NGHTTP2_CANCEL);
  }

  #watch(session: Http2Session): void {
    this.#open.add(session);
    session.once("close", () => this.#open.delete(session));
    // Node reports an error once the socket is closed. Meanwhile, the next call may have replaced the
    // connection, and Connect's manager no longer listens: an error that nobody listens for ends the process.
    session.on("error", () => {});
  }
}
