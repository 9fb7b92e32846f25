import { setTimeout as sleep } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

export type RetryOptions = {
  /** Requests made for one call at most, the first included. */
  readonly attemptsMax: number;
  /** Aborted when the client is closed; nothing is repeated after it. */
  readonly closed: AbortSignal;
  /** A number from 0 up to 1. */
  readonly random?: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** The longest first pause; it doubles with each retry, and the pause is drawn from 0 to it ("full jitter"). */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 2_000;

/**
 * Repeats a call while the server is unavailable or its connection breaks, if the contract says that it may be
 * repeated (NO_SIDE_EFFECTS or IDEMPOTENT). Nothing else is repeated: what the server refused once it refuses again.
 * The call's deadline covers all of it.
 */
export function retrySafely(options: RetryOptions): Interceptor {
  const { attemptsMax, closed, random = Math.random, pause = wait } = options;
  return (next) => async (request) => {
    if (request.stream || request.method.idempotency === Idempotency.IDEMPOTENCY_UNKNOWN)
      return await next(request);
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(request);
      } catch (error) {
        const over = request.signal.aborted || closed.aborted;
        if (over || attempt >= attemptsMax || !mayPass(error)) throw error;
      }
      const bound = Math.min(PAUSE_MS * 2 ** (attempt - 1), PAUSE_MAX_MS);
      await pause(random() * bound, AbortSignal.any([request.signal, closed]));
    }
  };
}

/** What Node calls a connection that broke. A certificate that is wrong is not among them: it stays wrong. */
const BROKEN_CONNECTION: ReadonlySet<unknown> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_INVALID_STREAM",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_ERROR",
]);

/**
 * Whether the same call may fare better in a moment. A server that dies in the middle of a call does not say
 * `unavailable`: the transport finds its connection reset (`aborted`, or `internal` for a stream) or ended
 * (`canceled`, although nobody canceled it).
 */
export function mayPass(reason: unknown): boolean {
  const error = ConnectError.from(reason);
  if (error.code === Code.Unavailable || error.code === Code.Canceled) return true;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && BROKEN_CONNECTION.has(cause.code);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    // The deadline is over, or the client is closed: the next request says so in the protocol's own words.
  });
}
