import { setTimeout as sleep } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

export type RetryOptions = {
  /** The maximum number of requests for one call, including the first. */
  readonly attemptsMax: number;
  /** Aborted when the client is closed; no retry follows. */
  readonly closed: AbortSignal;
  /** Returns a number from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** Waits for `ms`, or less if the signal aborts. Default: a timer. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/**
 * The bound of the first pause. It doubles with each retry, and each pause is a random part of
 * it ("full jitter").
 */
const PAUSE_MS = 100;
/** The upper limit of that bound. */
const PAUSE_MAX_MS = 2_000;

/**
 * Retries a call while the server is unavailable or the connection breaks, if the contract declares the
 * method NO_SIDE_EFFECTS or IDEMPOTENT. Other errors are not retried: a refusal would only repeat itself. The
 * call's deadline covers all retries.
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
        const isEnded = request.signal.aborted || closed.aborted;
        if (isEnded || attempt >= attemptsMax || !mayPass(error)) throw error;
      }
      const bound = Math.min(PAUSE_MS * 2 ** (attempt - 1), PAUSE_MAX_MS);
      await pause(random() * bound, AbortSignal.any([request.signal, closed]));
    }
  };
}

/**
 * Node's error codes for a broken connection. Invalid certificates are not among them: a retry
 * would not help.
 */
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
 * Returns whether the same call may succeed shortly. If a server dies during a call, the code is not
 * `unavailable`: the transport reports a reset connection as `aborted` (`internal` for a stream), and an
 * ended one as `canceled`.
 */
function mayPass(reason: unknown): boolean {
  const error = ConnectError.from(reason);
  if (error.code === Code.Unavailable || error.code === Code.Canceled) return true;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && BROKEN_CONNECTION.has(cause.code);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    // The deadline passed or the client was closed: the next request fails with the protocol's error for it.
  });
}
