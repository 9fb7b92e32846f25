import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { silentLog } from "./log.ts";
import { readinessOf } from "./readiness.ts";
import { type OperatorServerParts, serveOperators } from "./serve-operators.ts";

/** Node publishes each request here as it arrives. */
const ARRIVALS = "http.server.request.start";

let stop: (() => Promise<void>) | undefined;
afterEach(async () => await stop?.());

const PLACE = { host: "127.0.0.1", port: 0, settings: { host: "HOST", port: "PORT" } };

async function start(parts: Partial<OperatorServerParts> = {}) {
  const rest = { metrics: async () => "metric 1\n", readiness: async () => readinessOf({}), log: silentLog };
  const server = await serveOperators(PLACE, { ...rest, ...parts });
  stop = server.stop;
  return server.url;
}

test("fifty probes at once, each over a connection of its own, share one look at what is away", async () => {
  const probes = 50;
  const isLookedAt = Promise.withResolvers<void>();
  const readiness = vi.fn(async () => {
    await isLookedAt.promise;
    return readinessOf({ database: undefined, temporal: "silent" });
  });
  const url = await start({ readiness });
  const connections = new Set<unknown>();
  const arrive = (message: unknown) => {
    const { request, socket } = message as { request: { headers: { host: string } }; socket: unknown };
    if (url.endsWith(request.headers.host)) connections.add(socket);
  };
  subscribe(ARRIVALS, arrive);
  try {
    const answers = Array.from({ length: probes }, () => fetch(`${url}/readyz`));
    await expect.poll(() => connections.size).toBe(probes);
    isLookedAt.resolve();
    for (const answer of answers) expect((await answer).status).toBe(503);
    expect(readiness).toHaveBeenCalledTimes(1);
    await fetch(`${url}/readyz`);
    expect(readiness).toHaveBeenCalledTimes(2);
  } finally {
    unsubscribe(ARRIVALS, arrive);
  }
});

test("operators read health, readiness and metrics, with and without a query", async () => {
  const url = await start({ readiness: async () => readinessOf({ database: undefined }) });
  const answer = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    return [response.status, response.headers.get("content-type"), await response.text()];
  };
  expect(await answer("/healthz")).toEqual([200, "application/json", '{"status":"ok"}']);
  expect(await answer("/readyz?from=balancer")).toEqual([200, "application/json", '{"database":"ok"}']);
  expect(await answer("/healthz/")).toEqual([200, "application/json", '{"status":"ok"}']);
  expect(await answer("/metrics")).toEqual([200, "text/plain; version=0.0.4; charset=utf-8", "metric 1\n"]);
  expect(await answer("/constructor")).toEqual([
    404,
    "application/json",
    '{"error":"Not found. The paths are /healthz, /readyz, /metrics"}',
  ]);
});

test("what is only read takes no other method", async () => {
  const url = await start();
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    for (const method of ["POST", "DELETE", "OPTIONS"]) {
      const response = await fetch(`${url}${path}`, { method });
      expect([path, method, response.status]).toEqual([path, method, 405]);
    }
    expect((await fetch(`${url}${path}`, { method: "HEAD" })).status).toBe(200);
  }
});

test("a connection that asks for more before it has its answers is closed, and few of them are made", async () => {
  const metrics = vi.fn(async () => "metric 1\n");
  const readiness = vi.fn(async () => readinessOf({}));
  const url = await start({ metrics, readiness });
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
  socket.write("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000));
  socket.resume();
  await once(socket, "close");
  expect(metrics.mock.calls.length).toBeLessThanOrEqual(2);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test("a call to a path of POSTs is made by a POST alone", async () => {
  const nudge = vi.fn();
  const url = await start({ posts: { "/nudge": nudge } });
  const get = await fetch(`${url}/nudge`);
  expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
  expect(nudge).not.toHaveBeenCalled();
  expect((await fetch(`${url}/nudge`, { method: "POST" })).status).toBe(202);
  expect(nudge).toHaveBeenCalledTimes(1);
});

test("what cannot be answered is logged, and the next is answered", async () => {
  const error = vi.fn();
  const metrics = vi.fn().mockRejectedValueOnce(new Error("broken")).mockResolvedValue("metric 2\n");
  const readiness = vi.fn().mockRejectedValue(new Error("unreadable"));
  const url = await start({ metrics, readiness, log: { ...silentLog, error } });
  expect((await fetch(`${url}/metrics`)).status).toBe(500);
  expect(await (await fetch(`${url}/metrics`)).text()).toBe("metric 2\n");
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([503, { error: "/readyz failed: see the log" }]);
  expect(error.mock.calls.map(([event, , fields]) => [event, fields])).toEqual([
    ["operators.failed", { path: "/metrics" }],
    ["operators.failed", { path: "/readyz" }],
  ]);
});
