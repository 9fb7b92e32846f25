import { connect, type Socket } from "node:net";
import { createMetrics, type OperatorServer, serveOperators, silentLog } from "@posthaste/runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

/** More than one turn of the event loop accepts, and fewer than the system's queue takes. */
const CALLERS = 300;

let t: Bench;
let operators: OperatorServer;
const sockets: Socket[] = [];
beforeAll(async () => {
  t = await startBench();
  operators = await serveOperators(
    { host: "127.0.0.1", port: 0, settings: { host: "HOST", port: "PORT" } },
    { metrics: createMetrics().render, readiness: t.readiness, log: silentLog },
  );
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await operators.stop();
  await t.stop();
});

/** Asks over a connection of its own; `answered` is called with the status line. */
function ask(url: string, path: string, answered: (statusLine: string) => void): void {
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
  sockets.push(socket);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
  socket.once("data", (bytes) => answered(bytes.toString().split("\r\n", 1)[0] ?? ""));
}

test("supervisors' checks do not wait behind the connections of callers", async () => {
  let callers = 0;
  const checks: { path: string; statusLine: string; behind: number }[] = [];
  for (let n = 0; n < CALLERS; n++) ask(t.url, "/healthz", () => (callers += 1));
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    ask(operators.url, path, (statusLine) => checks.push({ path, statusLine, behind: callers }));
  }
  await expect.poll(() => [callers, checks.length]).toEqual([CALLERS, 3]);
  for (const { statusLine, behind } of checks) {
    expect(statusLine).toBe("HTTP/1.1 200 OK");
    expect(behind).toBeLessThan(CALLERS / 2);
  }
});

test("the API's readiness ends when it stops, on the port for operators, too", async () => {
  const other = await startBench();
  expect(await other.readiness()).toEqual({ isReady: true, body: { database: "ok", temporal: "ok" } });
  await other.stop();
  expect(await other.readiness()).toMatchObject({ isReady: false, body: { process: "stopping" } });
});
