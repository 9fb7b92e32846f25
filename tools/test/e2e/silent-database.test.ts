import { Code } from "@connectrpc/connect";
import { createPosthasteClient } from "@posthaste/client";
import { DeliveryState } from "@posthaste/contracts/delivery";
import { type Stack, startStack } from "@posthaste/stack";
import {
  type OwnMysqlServer,
  type Receiver,
  startOwnMysql,
  startReceiver,
  startTcpProxy,
  type TcpProxy,
} from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

/*
 * The database's connections stay open but get no answer: packets are dropped, as in a failover, or the
 * server is stopped. The processes detect this, report it, and recover by themselves.
 */

const PATIENCE = { timeout: 60_000, interval: 100 };
const TIMEOUT_MS = 120_000;
const CALLERS = 20;

let mysql: OwnMysqlServer;
let proxy: TcpProxy;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  mysql = await startOwnMysql();
  receiver = await startReceiver();
  stack = await startStack({
    database: "mysql",
    mysqlUrl: mysql.url,
    // The shortest allowed timeout; the default is 15 s.
    env: { POSTHASTE_DATABASE_TIMEOUT_MS: "6000" },
    databaseUrl: async (url) => {
      const target = new URL(url);
      proxy = await startTcpProxy({ host: target.hostname, port: Number(target.port) });
      target.port = String(proxy.port);
      return target.href;
    },
  });
  await stack.subscribe(receiver.url);
});
afterAll(async () => {
  mysql.resume();
  // The proxy stops first. It closes connections that are still in a transaction at the server, which would
  // keep the database from being dropped.
  await proxy.stop();
  await stack.dispose();
  await mysql.release();
  await receiver.stop();
});

const readiness = async (url: string | undefined) => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, ...((await response.json()) as object) };
};
const health = async () => {
  const response = await fetch(`${stack.apiUrl}/grpc.health.v1.Health/Check`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  return await response.json();
};
const metrics = async () => await (await fetch(`${stack.workerUrls[0]}/metrics`)).text();
const loggedBy = (child: Stack["apis"][number] | undefined, event: string) =>
  (child?.log() ?? "").split("\n").filter((line) => line.includes(`"${event}"`));

describe.each([
  { how: "drops packets", silence: () => proxy.silence(), mend: () => proxy.mend() },
  { how: "is stopped", silence: () => mysql.pause(), mend: () => mysql.resume() },
])("a database that $how", ({ how, silence, mend }) => {
  const keys = Array.from({ length: CALLERS }, (_, i) => `${how} ${i}`);
  // Without retries, so that each result is the server's answer.
  const ingestAll = async () => {
    const { token, apiUrl: baseUrl } = stack;
    const client = createPosthasteClient({ baseUrl, token, attemptsMax: 1, deadlineMs: TIMEOUT_MS });
    const ingest = (idempotencyKey: string) =>
      client.events.ingestEvent({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson", value: "{}" },
        idempotencyKey,
      });
    return await Promise.allSettled(keys.map(ingest)).finally(() => client.close());
  };

  test(
    "is reported as unavailable by every probe, to every caller and in the logs",
    async () => {
      expect(await health()).toEqual({ status: "SERVING" });
      silence();
      const answers = ingestAll();
      const rest = fetch(`${stack.apiUrl}/api/Webhook`, {
        headers: { authorization: `Bearer ${stack.token}` },
      });
      expect(await readiness(stack.apiUrl)).toMatchObject({ status: 503, database: "away" });
      expect(await readiness(stack.workerUrls[0])).toMatchObject({ status: 503, database: "away" });
      expect(await health()).toEqual({ status: "NOT_SERVING" });
      const text = await metrics();
      expect(text).toMatch(/^posthaste_dependency_up\{dependency="database"\} 0$/m);
      expect(text).not.toMatch(/^posthaste_backlog_/m);
      for (const answer of await answers)
        expect(answer).toMatchObject({ status: "rejected", reason: { code: Code.Unavailable } });
      expect((await rest).status).toBe(503);
      expect(loggedBy(stack.apis[0], "request.faulted").at(-1)).toMatch(/ETIMEDOUT|PROTOCOL_CONNECTION_LOST/);
      await vi.waitFor(() => {
        const lines = loggedBy(stack.workers[0], "dispatcher.failed");
        expect(lines.filter((line) => line.includes("ETIMEDOUT"))).not.toEqual([]);
      }, PATIENCE);
    },
    TIMEOUT_MS,
  );

  test(
    "is used again after it recovers, and every accepted event is delivered",
    async () => {
      mend();
      await vi.waitFor(async () => {
        expect(await readiness(stack.apiUrl)).toMatchObject({ status: 200, database: "ok" });
        expect(await readiness(stack.workerUrls[0])).toMatchObject({ status: 200, database: "ok" });
        expect(await metrics()).toMatch(/^posthaste_dependency_up\{dependency="database"\} 1$/m);
      }, PATIENCE);
      // An event may have been stored although its call failed; the idempotency keys prevent duplicates.
      const accepted = (await ingestAll()).map((answer) => {
        if (answer.status === "rejected") throw answer.reason;
        return answer.value.eventId;
      });
      expect(new Set(accepted).size).toBe(CALLERS);
      await vi.waitFor(async () => {
        const received = new Set(receiver.requests.map((request) => request.headers["webhook-id"]));
        expect(accepted.filter((eventId) => !received.has(eventId))).toEqual([]);
        const { deliveries } = await stack.client.deliveries.listDeliveries({ pageSize: 500 });
        expect(new Set(deliveries.map(({ state }) => state))).toEqual(new Set([DeliveryState.SUCCEEDED]));
      }, PATIENCE);
    },
    TIMEOUT_MS,
  );
});

test(
  "a process whose database does not answer stops on request",
  async () => {
    proxy.silence();
    expect(await readiness(stack.workerUrls[0])).toMatchObject({ status: 503, database: "away" });
    expect(await Promise.all([...stack.apis, ...stack.workers].map((child) => child.stop()))).toEqual([0, 0]);
  },
  TIMEOUT_MS,
);
