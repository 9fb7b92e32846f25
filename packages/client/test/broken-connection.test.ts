import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "vitest";
import { createPosthasteClient } from "../src/index.ts";
import { type BreakingServer, startBreakingServer } from "./breaking-server.ts";

const EVENT = { eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } } as const;
const SUBSCRIPTION = { targetUrl: "https://yoursite.com/", eventTypes: ["*"] };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(...args: Parameters<typeof startBreakingServer>) {
  const server = await startBreakingServer(...args);
  const client = createPosthasteClient({ baseUrl: server.url, token: "pht_test", protocol: args[0] });
  closing.push(client.close, server.close);
  return { server, client };
}

const errorOf = async (call: Promise<unknown>): Promise<ConnectError> =>
  ConnectError.from(
    await call.then(
      () => new Error("the call succeeded"),
      (error: unknown) => error,
    ),
  );

const forever = () => new Promise<never>(() => {});
const breakFirst =
  (calls: number, how: "reset" | "end" | "silence") => (n: number, server: BreakingServer) => {
    if (n > calls) return;
    server.break(how);
    return forever();
  };

describe.each(["connect", "grpc"] as const)("over %s", (protocol) => {
  test.each(["reset", "end"] as const)(
    "an ingest is retried with the same key if the connection breaks during it (%s)",
    async (how) => {
      const { server, client } = await setup(protocol, breakFirst(2, how));
      expect((await client.events.ingestEvent(EVENT)).eventId).toBe("evt_1");
      expect(server.calls).toHaveLength(3);
      expect(new Set(server.calls).size).toBe(1);
    },
  );

  test("an ingest is retried if its connection ends before any data is sent", async () => {
    const { server, client } = await setup(protocol, undefined, (socket, n) => {
      if (n === 1) socket.destroy();
      else if (n === 2) socket.resetAndDestroy();
      return n <= 2;
    });
    expect((await client.events.ingestEvent(EVENT)).eventId).toBe("evt_1");
    expect(server.connections()).toBe(3);
  });

  test("a call succeeds after the connection broke between two calls", async () => {
    const { server, client } = await setup(protocol);
    for (const how of ["reset", "end", "reset"] as const) {
      await client.events.ingestEvent(EVENT);
      server.break(how);
    }
    await client.events.ingestEvent(EVENT);
    expect(server.calls).toHaveLength(4);
  });

  test("a method that is not repeatable is not retried, however the connection breaks", async () => {
    for (const how of ["reset", "end"] as const) {
      const { server, client } = await setup(protocol, breakFirst(1, how));
      await errorOf(client.subscriptions.createSubscription(SUBSCRIPTION));
      expect(server.calls).toEqual(["CreateSubscription"]);
    }
  });

  test("a call that its caller cancels is not retried", async () => {
    const cancel = new AbortController();
    const { server, client } = await setup(protocol, () => {
      cancel.abort();
      return forever();
    });
    const error = await errorOf(client.events.ingestEvent(EVENT, { signal: cancel.signal }));
    expect(error.code).toBe(Code.Canceled);
    expect(server.calls).toHaveLength(1);
  });

  test.each([2 ** 31, 1e18, Number.POSITIVE_INFINITY])(
    "a deadline of %s ms does not pass at once",
    async (timeoutMs) => {
      const { client } = await setup(protocol);
      expect((await client.events.ingestEvent(EVENT, { timeoutMs })).eventId).toBe("evt_1");
    },
  );

  test("a deadline that is no number is refused", async () => {
    const { client } = await setup(protocol);
    const error = await errorOf(client.events.ingestEvent(EVENT, { timeoutMs: Number.NaN }));
    expect(error.rawMessage).toBe("timeoutMs is not a number of milliseconds");
  });

  test("close ends the call in flight, and later calls send no request", async () => {
    const { server, client } = await setup(protocol, () => {
      void client.close();
      return forever();
    });
    const error = await errorOf(client.events.ingestEvent(EVENT));
    expect([error.code, error.rawMessage]).toEqual([Code.Canceled, "this client is closed"]);
    const calls = server.calls.length;
    const late = await errorOf(client.events.ingestEvent(EVENT));
    expect([late.code, late.rawMessage]).toEqual([Code.Canceled, "this client is closed"]);
    expect(server.calls).toHaveLength(calls);
  });
});

test("over grpc, a silent connection is detected, and the ingest is retried on a new one", async () => {
  const { server, client } = await setup("grpc", breakFirst(1, "silence"));
  expect((await client.events.ingestEvent(EVENT)).eventId).toBe("evt_1");
  expect(server.connections()).toBe(2);
  expect(new Set(server.calls).size).toBe(1);
});
