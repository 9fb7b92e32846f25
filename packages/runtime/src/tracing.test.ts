import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateFor } from "@posthaste/testkit";
import { expect, test, vi } from "vitest";
import { idsIn, startTracing } from "./tracing.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("without an endpoint a span has no traceparent and no trace id", async () => {
  const { tracer, stop } = startTracing("test", {});
  await tracer.span("work", { parent: PARENT }, async (span) => {
    expect(span.traceparent).toBeUndefined();
    expect(span.ids).toEqual({});
  });
  await stop();
});

test.each([
  [{ OTEL_TRACES_SAMPLER: "alwyas_on" }, "OTEL_TRACES_SAMPLER: expected one of always_on, "],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, "OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/json, "],
  [{ OTEL_BSP_SCHEDULE_DELAY: "2s" }, "OTEL_BSP_SCHEDULE_DELAY: expected a whole number"],
])(
  "a wrong value is refused without an endpoint, too, unless tracing is turned off: %o",
  async (env, why) => {
    expect(() => startTracing("test", env)).toThrow(why);
    await startTracing("test", { ...env, OTEL_TRACES_EXPORTER: "none" }).stop();
    await startTracing("test", { ...env, OTEL_SDK_DISABLED: "true" }).stop();
  },
);

test("a share that is not a number from 0 to 1 is refused", () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "half" };
  expect(() => startTracing("test", env)).toThrow("from 0 to 1");
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" }, "OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL"],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "ftp://localhost" }, "TRACES_ENDPOINT: expected a URL"],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_TIMEOUT: "5s" },
    "OTEL_EXPORTER_OTLP_TIMEOUT: expected a whole number",
  ],
])("a collector's address or time that cannot be used is refused: %o", (env, why) => {
  expect(() => startTracing("test", env)).toThrow(why);
});

test.each([
  [{ CERTIFICATE: "nowhere" }, "OTEL_EXPORTER_OTLP_CERTIFICATE: the file cannot be read (ENOENT)"],
  [{ TRACES_CERTIFICATE: "garbage" }, "CERTIFICATE: the file holds no certificate in PEM"],
  [{ CLIENT_CERTIFICATE: "cert" }, "CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY need each other"],
  [{ TRACES_CLIENT_KEY: "key" }, "CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY need each other"],
  [{ CLIENT_CERTIFICATE: "garbage", CLIENT_KEY: "key" }, "are no certificate with its key in PEM"],
])("files for TLS to the collector that would be passed over are refused: %o", async (files, why) => {
  const dir = await mkdtemp(join(tmpdir(), "posthaste-tracing-"));
  const { cert, key } = await certificateFor("collector.example");
  for (const [name, pem] of Object.entries({ cert, key, garbage: "garbage" }))
    await writeFile(join(dir, name), pem);
  const env = (of: object) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: "https://127.0.0.1:1",
    ...Object.fromEntries(
      Object.entries(of).map(([what, name]) => [`OTEL_EXPORTER_OTLP_${what}`, join(dir, String(name))]),
    ),
  });
  try {
    expect(() => startTracing("test", env(files))).toThrow(why);
    const right = { CERTIFICATE: "cert", CLIENT_CERTIFICATE: "cert", CLIENT_KEY: "key" };
    await startTracing("test", env(right)).stop();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test("a span continues its parent's trace, and a span with a malformed parent begins a trace", async () => {
  const { tracer, stop } = startTracing("test", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  expect(tracer.begin("work", { parent: PARENT }).ids.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  for (const parent of ["", "x", PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32))]) {
    const { traceId } = tracer.begin("work", { parent }).ids;
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(traceId).not.toMatch(/^0+$|^0af76/);
  }
  await stop();
});

test("a caller's sampling decision holds, and new traces are sampled by the share", () => {
  const none = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "0" };
  const { tracer } = startTracing("test", none);
  expect(tracer.begin("work").traceparent).toMatch(/-00$/);
  expect(tracer.begin("work", { parent: PARENT }).traceparent).toMatch(/-01$/);
  expect(tracer.begin("work", { parent: PARENT.replace(/01$/, "00") }).traceparent).toMatch(/-00$/);
});

/** Starts a collector that keeps what it gets, and sets the environment of the process for it. */
async function startCollector(env: Readonly<Record<string, string>> = {}) {
  const requests: { type: string | undefined; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const text of request.setEncoding("latin1")) body += text;
    requests.push({ type: request.headers["content-type"], body });
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return {
    requests,
    async stop() {
      vi.unstubAllEnvs();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test.each([
  [{}, "test"],
  [{ OTEL_SERVICE_NAME: "named" }, "named"],
])("spans carry the environment's attributes and the service name: %j", async (env, name) => {
  const collector = await startCollector({
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=staging",
    ...env,
  });
  try {
    const { tracer, stop } = startTracing("test");
    await tracer.span("work", {}, async () => {});
    await stop();
    const { resource } = JSON.parse(collector.requests[0]?.body ?? "").resourceSpans[0];
    expect(resource.attributes).toContainEqual({ key: "service.name", value: { stringValue: name } });
    const staging = { key: "deployment.environment", value: { stringValue: "staging" } };
    expect(resource.attributes).toContainEqual(staging);
  } finally {
    await collector.stop();
  }
});

test.each([
  [{}, "application/json"],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf" }, "application/x-protobuf"],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }, "application/json"],
  [
    { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/protobuf" },
    "application/x-protobuf",
  ],
])("spans are sent by the protocol that the environment names: %j", async (env, type) => {
  const collector = await startCollector(env);
  try {
    const { tracer, stop } = startTracing("test");
    await tracer.span("some work", {}, async () => {});
    await stop();
    expect(collector.requests).toEqual([{ type, body: expect.stringContaining("some work") }]);
  } finally {
    await collector.stop();
  }
});

test.each([
  [{}, 1],
  [{ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "1" }, 3],
  [{ OTEL_BSP_MAX_QUEUE_SIZE: "1" }, 3],
])("spans are gathered as the environment says: %j", async (env, requests) => {
  const collector = await startCollector(env);
  try {
    const { tracer, stop } = startTracing("test");
    for (const name of ["first", "second", "third"]) {
      tracer.begin(name).end();
      await vi.waitFor(() => requests === 1 || expect(collector.requests.at(-1)?.body).toContain(name));
    }
    await stop();
    expect(collector.requests).toHaveLength(requests);
  } finally {
    await collector.stop();
  }
});

test.each([
  ["always_on", "1", "-01", "-01"],
  ["always_off", "1", "-00", "-00"],
  ["traceidratio", "0", "-00", "-00"],
  ["parentbased_always_on", "0", "-01", "-00"],
  ["parentbased_always_off", "1", "-00", "-00"],
  ["parentbased_traceidratio", "1", "-01", "-00"],
])(
  "the sampler %s with %s decides for new traces and for a caller's that is not sampled",
  (name, share, own, callers) => {
    const { tracer } = startTracing("test", {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_TRACES_SAMPLER: name,
      OTEL_TRACES_SAMPLER_ARG: share,
    });
    expect(tracer.begin("work").traceparent?.slice(-3)).toBe(own);
    const parent = PARENT.replace(/01$/, "00");
    expect(tracer.begin("work", { parent }).traceparent?.slice(-3)).toBe(callers);
  },
);

test.each([{ OTEL_SDK_DISABLED: "TRUE" }, { OTEL_TRACES_EXPORTER: "none" }])(
  "%j turns tracing off",
  (off) => {
    const { tracer } = startTracing("test", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", ...off });
    expect(tracer.begin("work").traceparent).toBeUndefined();
  },
);

test.each([
  ["OTEL_TRACES_SAMPLER", "jaeger_remote", /always_on, .*, parentbased_traceidratio/],
  ["OTEL_TRACES_EXPORTER", "console", /otlp, none/],
  ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", /http\/json, http\/protobuf/],
  ["OTEL_BSP_MAX_QUEUE_SIZE", "-1", /a whole number/],
])("%s=%s is refused, with what is possible", (name, value, expected) => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", [name]: value };
  expect(() => startTracing("test", env)).toThrow(expected);
  expect(() => startTracing("test", env)).toThrow(`${name}: expected`);
});

test("the ids of a line are those of its span, and a parent's can be read from its traceparent", () => {
  const { tracer } = startTracing("test", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  const { ids, traceparent } = tracer.begin("work");
  expect(idsIn(traceparent)).toEqual(ids);
  expect(ids).toEqual({
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  for (const none of [undefined, null, "", "x"]) expect(idsIn(none)).toEqual({});
});

test("a collector that hangs blocks neither the work nor the stop", async () => {
  const collector = createServer(() => {});
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] =
    `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  try {
    const { tracer, stop } = startTracing("test");
    await tracer.span("work", {}, async () => {});
    await stop();
  } finally {
    delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
    collector.closeAllConnections();
    await new Promise((resolve) => collector.close(resolve));
  }
});
