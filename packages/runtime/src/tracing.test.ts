import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test, vi } from "vitest";
import { startTracing } from "./tracing.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("without an endpoint a span has no traceparent and no trace id", async () => {
  const { tracer, stop } = startTracing("test", {});
  await tracer.span("work", { parent: PARENT }, async (span) => {
    expect(span.traceparent).toBeUndefined();
    expect(span.traceId).toBeUndefined();
  });
  await stop();
});

test("a share that is not a number from 0 to 1 is refused", () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "half" };
  expect(() => startTracing("test", env)).toThrow("from 0 to 1");
});

test("a span continues its parent's trace, and a span with a malformed parent begins a trace", async () => {
  const { tracer, stop } = startTracing("test", { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" });
  expect(tracer.begin("work", { parent: PARENT }).traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  for (const parent of ["", "x", PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32))]) {
    const { traceId } = tracer.begin("work", { parent });
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

test.each([
  [{}, "test"],
  [{ OTEL_SERVICE_NAME: "named" }, "named"],
])("spans carry the environment's attributes and the service name: %j", async (env, name) => {
  let sent = "";
  const collector = createServer((request, response) => {
    request.setEncoding("utf8").on("data", (text) => {
      sent += text;
    });
    request.on("end", () => response.setHeader("content-type", "application/json").end("{}"));
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://127.0.0.1:${port}`);
  vi.stubEnv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging");
  for (const [key, value] of Object.entries(env)) vi.stubEnv(key, value);
  try {
    const { tracer, stop } = startTracing("test");
    await tracer.span("work", {}, async () => {});
    await stop();
    const { resource } = JSON.parse(sent).resourceSpans[0];
    expect(resource.attributes).toContainEqual({ key: "service.name", value: { stringValue: name } });
    const staging = { key: "deployment.environment", value: { stringValue: "staging" } };
    expect(resource.attributes).toContainEqual(staging);
  } finally {
    vi.unstubAllEnvs();
    await new Promise((resolve) => collector.close(resolve));
  }
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
