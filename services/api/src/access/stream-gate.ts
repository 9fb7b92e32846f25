import { MINUTE_MS, Refusal } from "@posthaste/domain";
import type { Principal } from "@posthaste/store";
import type { RequestLine } from "../http/request-line.ts";
import { allTaken, type Counted, createPlaces } from "./places.ts";

/** A stream sends something at least this often, so that both sides notice a dead connection. */
export const STREAM_HEARTBEAT_MS = 15_000;
/** A stream ends after this, and its client reconnects: perhaps to a process that was started meanwhile. */
export const STREAM_MAX_MS = 10 * MINUTE_MS;
/** `Retry-After` if too many streams are open. */
const RETRY_AFTER_MS = 30_000;

/** Bounds the open streams of one kind that need no token. */
export type PublicStreamGate = {
  /** Passes a request's stream on while it holds one of the places. */
  pass<T>(line: RequestLine | undefined, stream: AsyncIterable<T>): AsyncGenerator<T>;
  /** Returns how many are open. */
  open(): number;
};

/** Bounds the open streams of one kind that need no token; another one is refused with `too_many`. */
export function createPublicStreamGate(what: Counted, ofAll: number): PublicStreamGate {
  let open = 0;
  return {
    async *pass(line, stream) {
      if (open >= ofAll) {
        const problem = `${allTaken(ofAll, what)}; wait until one of them ends`;
        throw new Refusal("too_many", problem, {
          reason: "STREAMS_FULL",
          metadata: { holder: "server" },
          retryAfterMs: RETRY_AFTER_MS,
        });
      }
      open += 1;
      if (line !== undefined) line.isStream = true;
      try {
        yield* stream;
      } finally {
        open -= 1;
        if (line !== undefined) line.isStream = false;
      }
    },
    open: () => open,
  };
}

/** Bounds the open streams of one kind of all accounts. */
export type StreamGate = {
  /** Passes an account's stream on while it holds one of the places. */
  pass<T>(principal: Principal, stream: AsyncGenerator<T>): AsyncGenerator<T>;
  /** Returns how many are open. */
  open(): number;
};

/**
 * Bounds the open streams of one kind in this process; another one is refused with `too_many`.
 *
 * @param what the streams, for the refusal
 */
export function createStreamGate(what: Counted, limits: { ofAll: number; ofAccount: number }): StreamGate {
  const places = createPlaces({ what, reason: "STREAMS_FULL", ...limits, retryAfterMs: RETRY_AFTER_MS });
  return {
    async *pass(principal, stream) {
      const leave = places.take(principal);
      try {
        yield* stream;
      } finally {
        leave();
      }
    },
    open: places.taken,
  };
}
