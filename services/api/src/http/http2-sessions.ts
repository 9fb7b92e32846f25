import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { HALF_CLOSED_MS, IDLE_SESSION_MS } from "./limits.ts";

/**
 * How often a client is asked whether it is still there (PING, RFC 9113, section 6.7), and has to have
 * answered before. A session whose parser gave up on a frame reads nothing any more, not even that its client
 * has left: it would keep its places and its descriptor for ever.
 */
const PING_EVERY_MS = 20_000;
/** How long a session that is to end waits for its streams: as long as a request may take to arrive. */
const ENDS_WITHIN_MS = 60_000;

export type Http2Sessions = {
  /** Takes charge of a new session. */
  add(session: ServerHttp2Session, socket: Socket): void;
  /** Tells every client that its connection ends, and ends it when what is under way is answered. */
  end(): void;
};

/**
 * Ends HTTP/2 sessions without Node's own `close`.
 *
 * `close` marks the session, and a stream that begins after that is freed while its parser still uses it: the
 * process ends by a corrupt heap (Node 20.20). Node calls it itself for a client's GOAWAY, so that a client
 * which went on with HEADERS ended the API, without a token. Here the session stays unmarked, answers what
 * comes, and is destroyed once nothing is under way.
 *
 * @param pingEveryMs default: {@link PING_EVERY_MS}
 */
export function createHttp2Sessions(pingEveryMs: number = PING_EVERY_MS): Http2Sessions {
  const ending = new Map<ServerHttp2Session, () => void>();
  return {
    add(session, socket) {
      const streams = new Set<ServerHttp2Stream>();
      let timer: NodeJS.Timeout | undefined;
      const destroyIfIdle = () => {
        // Not within the parser's callback.
        if (timer !== undefined) setImmediate(() => streams.size === 0 && session.destroy());
      };
      const end = () => {
        if (timer !== undefined || session.destroyed) return;
        timer = setTimeout(() => session.destroy(), ENDS_WITHIN_MS);
        session.goaway(constants.NGHTTP2_NO_ERROR);
        destroyIfIdle();
      };
      session.close = end;
      // By its streams and not by its traffic: pings are traffic.
      let idle = setTimeout(end, IDLE_SESSION_MS);
      session.on("stream", (stream) => {
        clearTimeout(idle);
        streams.add(stream);
        stream.once("close", () => {
          streams.delete(stream);
          if (streams.size === 0 && !session.destroyed) idle = setTimeout(end, IDLE_SESSION_MS);
          destroyIfIdle();
        });
      });
      let isAnswered = true;
      const pinging = setInterval(() => {
        if (!isAnswered || session.destroyed) return session.destroy();
        isAnswered = false;
        session.ping((error) => {
          isAnswered = error === null;
        });
      }, pingEveryMs);
      ending.set(session, end);
      session.once("close", () => {
        ending.delete(session);
        clearTimeout(timer);
        clearTimeout(idle);
        clearInterval(pinging);
        for (const stream of streams) stream.destroy();
        // The session only ends its half of the connection; a client may keep the other half open for ever.
        setTimeout(() => socket.destroy(), HALF_CLOSED_MS);
      });
    },
    end() {
      for (const end of ending.values()) end();
    },
  };
}
