import { Code } from "@connectrpc/connect";
import { createPosthasteClient } from "@posthaste/client";
import { type Stack, startStack } from "@posthaste/stack";
import {
  type OwnMysqlServer,
  type Receiver,
  runStatement,
  startOwnMysql,
  startReceiver,
} from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

/*
 * The database is there and refuses: its user's password is changed, or it turns read-only, under running
 * processes. They say that it is unavailable, and go on by themselves when it takes them again.
 */

const READ_ONLY = "ER_OPTION_PREVENTS_STATEMENT";
const PATIENCE = { timeout: 60_000, interval: 100 };
const TIMEOUT_MS = 120_000;

let mysql: OwnMysqlServer;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  mysql = await startOwnMysql();
  receiver = await startReceiver();
  stack = await startStack({
    database: "mysql",
    mysqlUrl: mysql.url,
    databaseUrl: async (url) => Object.assign(new URL(url), { username: "app", password: "secret" }).href,
    beforeStart: async (store) => {
      await runStatement(store, "create user app@'%' identified by 'secret'");
      await runStatement(store, "grant select, insert, update, delete on *.* to app@'%'");
    },
  });
  await stack.subscribe(receiver.url);
});
afterAll(async () => {
  await stack.dispose();
  await mysql.release();
  await receiver.stop();
});

const asAdmin = (statement: string) => runStatement(stack.store, statement);
const killSessions = async () => {
  const sessions = await asAdmin("select id from information_schema.processlist where user = 'app'");
  for (const { id } of sessions as { id: number }[]) {
    // Some have ended meanwhile.
    await asAdmin(`kill ${id}`).catch(() => {});
  }
};
/** The lines of the worker's loops that failed with this error since `from`. */
const failures = (code: string, from: number) =>
  stack.workers[0]
    ?.log()
    .slice(from)
    .split("\n")
    .filter((line) => line.includes('.failed"') && line.includes(code)) ?? [];

test("API and worker say at start what such a server would lose in a power cut", () => {
  for (const child of [...stack.apis, ...stack.workers]) {
    expect(child.log()).toContain('"database.not_durable"');
    expect(child.log()).toContain("(innodb_flush_log_at_trx_commit is 2: set 1)");
  }
});

describe.each([
  {
    how: "changes its user's password",
    code: "ER_ACCESS_DENIED_ERROR",
    refuse: async () => {
      await asAdmin("alter user app@'%' identified by 'other'");
      await killSessions();
    },
    allow: () => asAdmin("alter user app@'%' identified by 'secret'"),
  },
  {
    how: "has answered all that its user may ask in an hour",
    code: "ER_USER_LIMIT_REACHED",
    refuse: async () => {
      await asAdmin("alter user app@'%' with max_queries_per_hour 1");
      await killSessions();
    },
    allow: () => asAdmin("alter user app@'%' with max_queries_per_hour 0"),
  },
  {
    how: "turns read-only",
    code: READ_ONLY,
    refuse: () => asAdmin("set global read_only = 1"),
    allow: () => asAdmin("set global read_only = 0"),
  },
])("a database that $how", ({ how, code, refuse, allow }) => {
  test(
    "answers every caller as unavailable, and is used again when it takes them",
    async () => {
      const from = stack.workers[0]?.log().length ?? 0;
      const { token, apiUrl: baseUrl } = stack;
      // Without retries, so that each result is the server's answer.
      const client = createPosthasteClient({ baseUrl, token, attemptsMax: 1 });
      const ingest = (idempotencyKey: string) =>
        client.events.ingestEvent({
          eventType: "invoice_sent",
          snapshot: { case: "dataJson", value: "{}" },
          idempotencyKey,
        });
      await refuse();
      await expect(ingest(`${how}, refused`)).rejects.toMatchObject({
        code: Code.Unavailable,
        rawMessage: "the database is unavailable; try again in a moment",
      });
      const rest = await fetch(`${baseUrl}/api/Webhook`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ target_url: "https://receiver.example/", event: "invoice_sent" }),
      });
      expect(rest.status).toBe(503);
      expect(await rest.json()).toMatchObject({
        detail: "the database is unavailable; try again in a moment",
      });
      // Only some loops write without work. If they are still in the outage of the test before, they log no
      // second one. The next test starts the worker anew.
      if (code !== READ_ONLY) await vi.waitFor(() => expect(failures(code, from)).not.toEqual([]), PATIENCE);
      await vi.waitFor(async () => expect(await databaseUp(stack)).toBe("0"), PATIENCE);
      await allow();
      const { eventId } = await vi.waitFor(() => ingest(how), PATIENCE);
      await vi.waitFor(() => {
        const received = receiver.requests.map((request) => request.headers["webhook-id"]);
        expect(received).toContain(eventId);
      }, PATIENCE);
      expect(stack.apis[0]?.log()).not.toContain('"code":"internal"');
      await client.close();
    },
    TIMEOUT_MS,
  );
});

const readiness = async (url: string | undefined) => {
  const response = await fetch(`${url}/readyz`);
  const { database, why } = (await response.json()) as { database: string; why?: { database?: string } };
  return [response.status, database, why?.database].filter(Boolean).join(" ");
};
const ready = async (of: Stack) => await Promise.all([...of.apiUrls, ...of.workerUrls].map(readiness));
const databaseUp = async (of: Stack) => {
  const text = await (await fetch(`${of.workerUrls[0]}/metrics`)).text();
  return /^posthaste_dependency_up\{dependency="database"\} (.*)$/m.exec(text)?.[1];
};

test(
  "a server that is read-only is not ready, and sets no work aside that was waiting for it",
  async () => {
    const subscriptions = await Promise.all(
      Array.from({ length: 12 }, (_, n) => stack.subscribe(`${receiver.url}/${n}`, "project_created")),
    );
    const [worker] = stack.workers;
    // All of them are pending when the server turns read-only.
    await worker?.kill();
    const from = worker?.log().length ?? 0;
    const { eventId } = await stack.client.events.ingestEvent({
      eventType: "project_created",
      snapshot: { case: "dataJson", value: "{}" },
    });
    await asAdmin("set global read_only = 1");
    await worker?.launch();
    await vi.waitFor(() => expect(failures(READ_ONLY, from)).not.toEqual([]), PATIENCE);
    expect(await ready(stack)).toEqual(["503 away read_only", "503 away read_only"]);
    expect(await databaseUp(stack)).toBe("0");
    await asAdmin("set global read_only = 0");
    await vi.waitFor(async () => expect(await ready(stack)).toEqual(["200 ok", "200 ok"]), PATIENCE);
    await vi.waitFor(() => {
      const received = receiver.requests.filter(({ headers }) => headers["webhook-id"] === eventId);
      expect(received).toHaveLength(subscriptions.length);
    }, PATIENCE);
    expect(worker?.log().slice(from)).not.toContain('"work.set_aside"');
  },
  TIMEOUT_MS,
);
