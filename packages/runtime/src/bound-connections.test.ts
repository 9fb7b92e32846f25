import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { boundConnections } from "./bound-connections.ts";
import { silentLog } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { readinessOf } from "./readiness.ts";
import { serveOperators } from "./serve-operators.ts";

/** More than a server for internal callers takes. */
const HELD = 300;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start() {
  const metrics = createMetrics();
  const { url, stop } = await serveOperators(
    { host: "127.0.0.1", port: 0, settings: { host: "HOST", port: "PORT" } },
    { metrics: metrics.render, readiness: async () => readinessOf({}), log: silentLog },
  );
  ends.push(stop);
  return { metrics, url, port: Number(new URL(url).port) };
}

test("connections that ask nothing do not keep a scrape out: one more closes the oldest", async () => {
  const { port, url } = await start();
  const held: Socket[] = [];
  for (let n = 0; n < HELD; n++) {
    held.push(await hold(port));
  }
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  const closed = () => held.map((socket) => socket.destroyed);
  // 256 are open: those that came last, and the scrape's.
  await expect.poll(closed).toEqual(held.map((_, n) => n <= HELD - 256));
});

/** Opens a connection and keeps it open. */
async function hold(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  ends.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

test("a scrape that is being answered is not cut off by connections that ask nothing", async () => {
  const { metrics, url, port } = await start();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  metrics.gauge("measured", "Until it ends.", [], async () => {
    begin();
    await ended;
    return [];
  });
  const scrape = fetch(`${url}/metrics`);
  await begun;
  for (let n = 0; n < HELD; n++) await hold(port);
  end();
  expect((await scrape).status).toBe(200);
});

test("if each has a request in flight, one more closes the oldest", async () => {
  let unanswered = 0;
  const server = createServer(() => {
    unanswered += 1;
  });
  boundConnections(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const held: Socket[] = [];
  for (let n = 0; n < 256; n++) {
    const socket = await hold(port);
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    held.push(socket);
  }
  await expect.poll(() => unanswered).toBe(256);
  const oneMore = await hold(port);
  await expect.poll(() => held.map(({ destroyed }) => destroyed)).toEqual(held.map((_, n) => n === 0));
  expect(oneMore.destroyed).toBe(false);
});

test("scrapes at once share one measurement", async () => {
  const { metrics, url } = await start();
  let measured = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  metrics.gauge("measured", "How often.", [], async () => {
    measured += 1;
    await promise;
    return [];
  });
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1");
  ends.push(() => socket.destroy());
  socket.write("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(20));
  await expect.poll(() => measured).toBeGreaterThan(0);
  await fetch(`${url}/nowhere`);
  expect(measured).toBe(1);
  resolve();
});
