import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Log } from "@posthaste/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createNudge } from "./nudge.ts";

/** Starts a worker whose `/nudge` answers only when the test says so. */
async function startWorker(port = 0) {
  const nudged: { request: IncomingMessage; response: ServerResponse }[] = [];
  const server = createServer((request, response) => nudged.push({ request, response }));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the worker has no port");
  const stop = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  stops.push(stop);
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    nudged,
    answer: (n: number) => nudged[n]?.response.writeHead(204).end(),
    answerAll: () => {
      for (const { response } of nudged) if (!response.headersSent) response.writeHead(204).end();
    },
    stop,
  };
}

let stops: (() => Promise<unknown>)[] = [];
let lines: string[] = [];
const add = (event: string) => void lines.push(event);
const log: Log = { info: add, warn: add, error: add, with: () => log };
beforeEach(() => {
  stops = [];
  lines = [];
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
});

test("a nudge is a POST /nudge to each worker", async () => {
  const workers = [await startWorker(), await startWorker()];
  createNudge(
    workers.map(({ url }) => url),
    log,
  )();
  for (const worker of workers) {
    await expect.poll(() => worker.nudged).toHaveLength(1);
    expect(worker.nudged[0]?.request).toMatchObject({ method: "POST", url: "/nudge" });
    worker.answer(0);
  }
});

test("calls during a nudge coalesce into one more", async () => {
  const worker = await startWorker();
  const nudge = createNudge([worker.url], log);
  nudge();
  await expect.poll(() => worker.nudged).toHaveLength(1);
  for (let i = 0; i < 50; i++) nudge();
  worker.answer(0);
  await expect.poll(() => worker.nudged).toHaveLength(2);
  worker.answer(1);
  // If a third nudge were outstanding, it would arrive before this one.
  nudge();
  await expect.poll(() => worker.nudged).toHaveLength(3);
  worker.answer(2);
  expect(lines).toEqual([]);
});

test("a nudge to a hanging worker times out and does not delay other workers", async () => {
  const [hanging, healthy] = [await startWorker(), await startWorker()];
  const nudge = createNudge([hanging.url, healthy.url], log);
  nudge();
  await expect.poll(() => healthy.nudged).toHaveLength(1);
  healthy.answer(0);
  nudge();
  await expect.poll(() => healthy.nudged).toHaveLength(2);
  healthy.answer(1);
  await expect.poll(() => hanging.nudged).toHaveLength(2);
  expect(lines).toEqual(["nudge.failed"]);
});

test("an unreachable worker is logged once, and once more when it recovers", async () => {
  const stopped = await startWorker();
  await stopped.stop();
  const nudge = createNudge([stopped.url], log);
  nudge();
  await expect.poll(() => lines).toEqual(["nudge.failed"]);
  nudge();
  const restarted = await startWorker(stopped.port);
  await expect
    .poll(() => {
      nudge();
      restarted.answerAll();
      return lines;
    })
    .toEqual(["nudge.failed", "nudge.recovered"]);
});
