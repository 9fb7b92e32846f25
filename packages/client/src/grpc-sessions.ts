import type { Http2Session } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

/**
 * Listens for errors of a connection until it is gone.
 *
 * A server or a proxy that does not answer in HTTP/2 makes Node emit more than one error. Connect's manager
 * stops listening after the first, and an error that nobody listens for ends the process.
 */
export class GrpcSessions extends Http2SessionManager {
  readonly #heard = new WeakSet<Http2Session>();

  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session !== undefined && !this.#heard.has(session)) {
      this.#heard.add(session);
      // The manager has told the calls of the first error.
      session.on("error", () => {});
    }
    return stream;
  }
}
