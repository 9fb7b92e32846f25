import type { DescMethodUnary } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { expect, test } from "vitest";
import { type RetryOptions, retrySafely } from "./retry.ts";

const { ingestEvent } = EventIngestService.method;
const unavailable = () => new ConnectError("away", Code.Unavailable);
const nodeError = (code: string) =>
  new ConnectError("broken", Code.Internal, undefined, undefined, Object.assign(new Error(code), { code }));

/** Calls a method that fails as often as there are errors; tells its requests and pauses. */
async function call(
  errors: readonly Error[],
  options: Partial<RetryOptions> & { method?: DescMethodUnary; signal?: AbortSignal } = {},
) {
  const pauses: number[] = [];
  let requests = 0;
  const interceptor = retrySafely({
    attemptsMax: 4,
    closed: new AbortController().signal,
    random: () => 1,
    pause: async (ms) => void pauses.push(ms),
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
  } as UnaryRequest;
  const error = await next(request).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { requests, pauses, error };
}

test("the bound of the pause doubles, and the pause is a random part of it", async () => {
  const errors = Array.from({ length: 7 }, unavailable);
  expect((await call(errors, { attemptsMax: 8 })).pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
  expect((await call(errors.slice(0, 2), { random: () => 0.25 })).pauses).toEqual([25, 50]);
});

test("after the last attempt the last error is thrown", async () => {
  const errors = Array.from({ length: 5 }, unavailable);
  expect(await call(errors)).toMatchObject({ requests: 4, error: errors[3] });
  expect(await call(errors, { attemptsMax: 1 })).toMatchObject({ requests: 1, pauses: [], error: errors[0] });
});

test.each(["ECONNRESET", "EPIPE", "ERR_HTTP2_STREAM_ERROR", "ERR_HTTP2_GOAWAY_SESSION"])(
  "a connection that broke (%s) is worth another request",
  async (code) => expect(await call([nodeError(code)])).toMatchObject({ requests: 2, error: undefined }),
);

test.each(["ERR_TLS_CERT_ALTNAME_INVALID", "DEPTH_ZERO_SELF_SIGNED_CERT"])(
  "a certificate that is wrong (%s) is not: it stays wrong",
  async (code) => expect((await call([nodeError(code)])).requests).toBe(1),
);

test.each([Code.InvalidArgument, Code.AlreadyExists, Code.ResourceExhausted, Code.Internal, Code.Aborted])(
  "what the server said with the code %i is not asked again",
  async (code) => expect((await call([new ConnectError("no", code)])).requests).toBe(1),
);

test("a method without an idempotency level is not repeated", async () => {
  const { createSubscription } = SubscriptionService.method;
  for (const error of [unavailable(), nodeError("ECONNRESET"), new ConnectError("ended", Code.Canceled)]) {
    expect((await call([error], { method: createSubscription })).requests).toBe(1);
  }
});

test("nothing is repeated once the deadline is over, the caller canceled, or the client is closed", async () => {
  expect((await call([unavailable()], { signal: AbortSignal.abort() })).requests).toBe(1);
  expect((await call([unavailable()], { closed: AbortSignal.abort() })).requests).toBe(1);
});

test("a pause ends early with the deadline", async () => {
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
