import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { MINUTE_MS } from "@posthaste/domain";
import {
  HALF_CLOSED_MS,
  IDLE_SESSION_MS,
  OPENED_AT_ONCE_MAX,
  RESETS_AT_ONCE_MAX,
  RESETS_PER_SECOND_MAX,
} from "./limits.ts";

/**
 * How often a client is pinged (RFC 9113, section 6.7). It must answer each PING before the next. A session
 * whose parser gave up on a frame reads nothing more, not even its client's departure, and would hold its
 * places and its descriptor forever.
 */
const PING_EVERY_MS = 20_000;
/** A client says that it goes once or twice (RFC 9113, section 6.8), and each time costs Node a call. */
const GOAWAYS_MAX = 10;
/** How long an ending session waits for its streams: as long as a request may take to arrive. */
const ENDS_WITHIN_MS = MINUTE_MS;

export type Http2Sessions = {
  /** Manages a new session until it closes. */
  add(session: ServerHttp2Session, socket: Socket): void;
  /** Sends GOAWAY to every client and ends each session once its requests in flight are answered. */
  end(): void;
  /** Returns how many are open. */
  open(): number;
};

/**
 * Ends HTTP/2 sessions without Node's `close`.
 *
 * `close` marks the session. A stream that begins after the mark is freed while the parser still uses it, and
 * the process crashes with a corrupt heap (Node 20.20). Node itself calls `close` on a client's GOAWAY, so a
 * client could crash the API, without a token, by sending HEADERS after GOAWAY. Here the session stays
 * unmarked, answers new streams, and is destroyed once none is in flight.
 *
 * @param options.firstStreamMs how long a session may take to ask for something: as long as a connection may
 *   for its headers
 * @param options.cutOff closes the connection of a client that resets too much. Default: nothing else
 * @param options.isRefused tells of a stream whether the server has reset it, which does not count. Default:
 *   none
 * @param options.pingEveryMs default: {@link PING_EVERY_MS}
 */
export function createHttp2Sessions({
  firstStreamMs,
  cutOff = (socket) => void socket.destroy(),
  isRefused = () => false,
  pingEveryMs = PING_EVERY_MS,
}: {
  readonly firstStreamMs: number;
  readonly cutOff?: (socket: Socket) => void;
  readonly isRefused?: (stream: ServerHttp2Stream) => boolean;
  readonly pingEveryMs?: number;
}): Http2Sessions {
  const ending = new Map<ServerHttp2Session, () => void>();
  return {
    add(session, socket) {
      const streams = new Set<ServerHttp2Stream>();
      const resets = createResetAllowance();
      let timer: NodeJS.Timeout | undefined;
      const destroyIfIdle = () => {
        // Deferred: the session must not be destroyed within the parser's callback.
        if (timer !== undefined) setImmediate(() => streams.size === 0 && session.destroy());
      };
      const end = () => {
        if (timer !== undefined || session.destroyed) return;
        timer = setTimeout(() => session.destroy(), ENDS_WITHIN_MS);
        session.goaway(constants.NGHTTP2_NO_ERROR);
        destroyIfIdle();
      };
      session.close = end;
      // Idleness counts streams, not traffic: pings are traffic, too.
      let idle = setTimeout(end, firstStreamMs);
      const countReset = (stream: ServerHttp2Stream) => {
        if (isRefused(stream)) return;
        // At once, so that Node reads no further bytes, and no requests are made of those it has read.
        if (!socket.destroyed && !resets.mayReset()) cutOff(socket);
      };
      let goaways = 0;
      session.on("goaway", () => {
        goaways += 1;
        if (goaways > GOAWAYS_MAX && !socket.destroyed) cutOff(socket);
      });
      /** Streams of this turn of the event loop. Only who resets them opens more than a client may have. */
      let opened = 0;
      session.on("stream", (stream) => {
        opened += 1;
        if (opened === 1) {
          setImmediate(() => {
            opened = 0;
          });
        }
        if (opened > OPENED_AT_ONCE_MAX && !socket.destroyed) cutOff(socket);
        // It was reset in the bytes that opened it.
        if (stream.closed) return countReset(stream);
        clearTimeout(idle);
        streams.add(stream);
        stream.once("close", () => {
          streams.delete(stream);
          if (wasReset(stream)) countReset(stream);
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
        // The session ends only its half of the connection; a client may keep the other half open forever.
        setTimeout(() => socket.destroy(), HALF_CLOSED_MS);
      });
    },
    end() {
      for (const end of ending.values()) end();
    },
    open: () => ending.size,
  };
}

/** Tells whether a stream was reset, with whatever code. */
function wasReset({ aborted, rstCode = constants.NGHTTP2_NO_ERROR }: ServerHttp2Stream): boolean {
  return aborted || rstCode !== constants.NGHTTP2_NO_ERROR;
}

/** Counts the resets of a session, of which there may be some at once, and some in each second after that. */
function createResetAllowance(): { mayReset(): boolean } {
  let left = RESETS_AT_ONCE_MAX;
  let countedAt = performance.now();
  return {
    mayReset() {
      const now = performance.now();
      const refilled = left + ((now - countedAt) / 1_000) * RESETS_PER_SECOND_MAX;
      left = Math.min(RESETS_AT_ONCE_MAX, refilled) - 1;
      countedAt = now;
      return left >= 0;
    },
  };
}
