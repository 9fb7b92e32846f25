import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { silentLog } from "./log.ts";
import { createMetrics, serveMetrics } from "./metrics.ts";

/** More than a server for internal callers takes. */
const HELD = 300;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start() {
  const metrics = createMetrics();
  const at = { host: "127.0.0.1", port: 0, setting: "PORT", log: silentLog };
  const { url, stop } = await serveMetrics(metrics, at);
  ends.push(stop);
  return { metrics, url, port: Number(new URL(url).port) };
}

test("connections that ask nothing do not keep a scrape out: one more closes the oldest", async () => {
  const { port, url } = await start();
  const held: Socket[] = [];
  for (let n = 0; n < HELD; n++) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    ends.push(() => socket.destroy());
    held.push(socket);
    await once(socket, "connect");
  }
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  const closed = () => held.map((socket) => socket.destroyed);
  // 256 are open: those that came last, and the scrape's.
  await expect.poll(closed).toEqual(held.map((_, n) => n <= HELD - 256));
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
