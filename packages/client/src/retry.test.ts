import type { DescMethodUnary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextValues,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { DEADLINE_AT, type RetryOptions, retrySafely } from "./retry.ts";

const { ingestEvent } = EventIngestService.method;
const unavailable = () => new ConnectError("unavailable", Code.Unavailable);
const nodeError = (code: string) =>
  new ConnectError("broken", Code.Internal, undefined, undefined, Object.assign(new Error(code), { code }));

/**
 * Calls a method that fails with each of the errors in turn; returns its requests, pauses and final error.
 */
async function call(
  errors: readonly Error[],
  options: Partial<RetryOptions> & {
    method?: DescMethodUnary;
    signal?: AbortSignal;
    deadlineMs?: number;
  } = {},
) {
  const pauses: number[] = [];
  let requests = 0;
  let now = 0;
  const interceptor = retrySafely({
    closed: new AbortController().signal,
    random: () => 1,
    now: () => now,
    pause: async (ms) => {
      pauses.push(ms);
      now += ms;
    },
    ...options,
  });
  const next = interceptor(async () => {
    requests += 1;
    const error = errors[requests - 1];
    if (error !== undefined) throw error;
    return {} as UnaryResponse;
  });
  const request = {
    stream: false,
    method: options.method ?? ingestEvent,
    signal: options.signal ?? new AbortController().signal,
    contextValues: createContextValues().set(DEADLINE_AT, options.deadlineMs ?? 60_000),
  } as UnaryRequest;
  const error = await next(request).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { requests, pauses, error };
}

test("the bound of a pause doubles, and the pause is a random part of it", async () => {
  const errors = Array.from({ length: 7 }, unavailable);
  expect((await call(errors)).pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
  expect((await call(errors.slice(0, 2), { random: () => 0.25 })).pauses).toEqual([25, 50]);
  // At least a tenth: clients that fail together come back apart.
  expect((await call(errors.slice(0, 2), { random: () => 0 })).pauses).toEqual([10, 20]);
});

test("a call is retried until its deadline, and the last request has time to say why it fails", async () => {
  const errors = Array.from({ length: 100 }, unavailable);
  const { requests, pauses, error } = await call(errors, { deadlineMs: 10_000 });
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBe(9_900);
  expect(error).toBe(errors[requests - 1]);
  expect(requests).toBeGreaterThan(8);
});

test("the server's own time to wait counts, unless it is beyond the deadline", async () => {
  const busy = (seconds: string) => new ConnectError("busy", Code.Unavailable, { "retry-after": seconds });
  expect(await call([busy("3"), busy("0")])).toMatchObject({ requests: 3, pauses: [3_000, 200] });
  expect(await call([busy("70")])).toMatchObject({ requests: 1, pauses: [] });
  expect(await call([busy("soon")])).toMatchObject({ requests: 2, pauses: [100] });
});

test.each(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"])(
  "any method is retried if there was no connection at all (%s)",
  async (code) => {
    const { createSubscription } = SubscriptionService.method;
    expect(await call([nodeError(code)], { method: createSubscription })).toMatchObject({ requests: 2 });
  },
);

test("after the last attempt the last error is thrown", async () => {
  const errors = Array.from({ length: 5 }, unavailable);
  expect(await call(errors, { attemptsMax: 4 })).toMatchObject({ requests: 4, error: errors[3] });
  expect(await call(errors, { attemptsMax: 1 })).toMatchObject({ requests: 1, pauses: [], error: errors[0] });
});

test.each(["ECONNRESET", "EPIPE", "ERR_HTTP2_STREAM_ERROR", "ERR_HTTP2_GOAWAY_SESSION"])(
  "a broken connection (%s) is retried",
  async (code) => expect(await call([nodeError(code)])).toMatchObject({ requests: 2, error: undefined }),
);

test.each(["ERR_TLS_CERT_ALTNAME_INVALID", "DEPTH_ZERO_SELF_SIGNED_CERT"])(
  "an invalid certificate (%s) is not retried",
  async (code) => expect((await call([nodeError(code)])).requests).toBe(1),
);

test.each([Code.InvalidArgument, Code.AlreadyExists, Code.ResourceExhausted, Code.Internal, Code.Aborted])(
  "an error from the server with the code %i is not retried",
  async (code) => expect((await call([new ConnectError("no", code)])).requests).toBe(1),
);

test("a method without an idempotency level is not retried", async () => {
  const { createSubscription } = SubscriptionService.method;
  for (const error of [unavailable(), nodeError("ECONNRESET"), new ConnectError("ended", Code.Canceled)]) {
    expect((await call([error], { method: createSubscription })).requests).toBe(1);
  }
});

test("no retry follows a passed deadline, a cancelled call or a closed client", async () => {
  expect((await call([unavailable()], { signal: AbortSignal.abort() })).requests).toBe(1);
  expect((await call([unavailable()], { closed: AbortSignal.abort() })).requests).toBe(1);
});

test("the deadline ends a pause early", async () => {
  const deadline = new AbortController();
  const failing = call([unavailable()], {
    signal: deadline.signal,
    pause: async (_ms, signal) => {
      deadline.abort();
      expect(signal.aborted).toBe(true);
    },
  });
  expect((await failing).error).toBeUndefined();
});
