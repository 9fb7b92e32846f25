import { setTimeout as sleep } from "node:timers/promises";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextKey, type Interceptor } from "@connectrpc/connect";

/** When a call's deadline passes, on the clock of `performance.now`. */
export const DEADLINE_AT = createContextKey(Number.POSITIVE_INFINITY);

export type RetryOptions = {
  /** The maximum number of requests for one call, including the first. Default: until its deadline. */
  readonly attemptsMax?: number | undefined;
  /** Aborted when the client is closed; no retry follows. */
  readonly closed: AbortSignal;
  /** Returns a number from 0 up to 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** Returns the time on the clock of `performance.now`, which is the default. */
  readonly now?: () => number;
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
/** The least part of it: clients that fail together must not come back at once. */
const PAUSE_MIN_PART = 0.1;
/** The last request begins this long before the deadline, so that its error is the call's, and says why. */
const LAST_REQUEST_MS = 100;

/**
 * Retries a call until its deadline while the server is unavailable or the connection breaks, if the contract
 * declares the method NO_SIDE_EFFECTS or IDEMPOTENT, and any method while nothing could be sent. Other errors
 * are not retried: a refusal would only repeat itself.
 */
export function retrySafely(options: RetryOptions): Interceptor {
  const { attemptsMax = Number.POSITIVE_INFINITY, closed, random = Math.random } = options;
  const { now = () => performance.now(), pause = wait } = options;
  return (next) => async (request) => {
    if (request.stream) return await next(request);
    const isRepeatable = request.method.idempotency !== Idempotency.IDEMPOTENCY_UNKNOWN;
    for (let attempt = 1; ; attempt++) {
      let failure: unknown;
      try {
        return await next(request);
      } catch (error) {
        failure = error;
      }
      const isEnded = request.signal.aborted || closed.aborted || attempt >= attemptsMax;
      if (isEnded || !(wasNotSent(failure) || (isRepeatable && mayPass(failure)))) throw failure;
      const leftMs = request.contextValues.get(DEADLINE_AT) - now() - LAST_REQUEST_MS;
      const bound = Math.min(PAUSE_MS * 2 ** (attempt - 1), PAUSE_MAX_MS);
      const drawn = bound * Math.max(PAUSE_MIN_PART, random());
      const wantedMs = Math.max(drawn, retryAfterMs(failure));
      if (leftMs <= 0 || retryAfterMs(failure) > leftMs) throw failure;
      await pause(Math.min(wantedMs, leftMs), AbortSignal.any([request.signal, closed]));
    }
  };
}

/** Returns how long the server says to wait; 0 if it says nothing. */
function retryAfterMs(reason: unknown): number {
  const [seconds = "0"] = /^\d{1,6}$/.exec(ConnectError.from(reason).metadata.get("retry-after") ?? "") ?? [];
  return Number(seconds) * 1_000;
}

/** Node's error codes for a connection that was never made. */
const NO_CONNECTION: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Returns whether there was no connection, so that the server cannot know of the call. */
function wasNotSent(reason: unknown): boolean {
  return NO_CONNECTION.has(causeCode(reason));
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
  const { code } = ConnectError.from(reason);
  return code === Code.Unavailable || code === Code.Canceled || BROKEN_CONNECTION.has(causeCode(reason));
}

/** Returns Node's code of the error below; undefined if there is none. */
function causeCode(reason: unknown): unknown {
  const { cause } = ConnectError.from(reason);
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    // The deadline passed or the client was closed: the next request fails with the protocol's error for it.
  });
}
