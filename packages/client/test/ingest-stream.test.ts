import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, expect, test } from "vitest";
import { createPosthasteClient, type IngestOutcome } from "../src/index.ts";
import { type BreakingServer, startBreakingServer } from "./breaking-server.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(behave: (number: number, server: BreakingServer) => unknown = () => {}) {
  const server = await startBreakingServer("grpc", behave);
  const client = createPosthasteClient({ baseUrl: server.url, token: "pht_test" });
  closing.push(client.close, server.close);
  return { server, client };
}

const event = (idempotencyKey = "") =>
  ({ eventType: "invoice_sent", idempotencyKey, snapshot: { case: "dataJson", value: "{}" } }) as const;
const events = (count: number) => Array.from({ length: count }, (_, i) => event(`key-${i}`));

async function all<T>(outcomes: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const outcome of outcomes) found.push(outcome);
  return found;
}

const idOf = (outcome: IngestOutcome) => ("stored" in outcome ? outcome.stored.eventId : "refused");

test("each event is sent, and its outcome told with it", async () => {
  const { client } = await setup();
  const outcomes = await all(client.ingestStream(events(1_200)));
  expect(outcomes.map(idOf)).toEqual(events(1_200).map(({ idempotencyKey }) => `evt_${idempotencyKey}`));
  expect(outcomes[7]?.event.idempotencyKey).toBe("key-7");
});

test.each([
  ["reset", [30, 60]],
  ["end", [30, 60]],
  // It takes five seconds to be noticed.
  ["silence", [30]],
] as const)(
  "a stream that breaks is resumed (%s): what was not acknowledged is sent again with its key, nothing else",
  async (how, breaksAt) => {
    const { server, client } = await setup((n, breaking) => {
      if (breaksAt.some((at) => at === n)) breaking.break(how);
    });
    const source = Array.from({ length: 100 }, () => event());
    const outcomes = await all(client.ingestStream(source, { windowMax: 10 }));
    expect(outcomes).toHaveLength(100);
    // Every event had one key of its own, however often it was sent, and at most a window was sent again.
    expect(new Set(outcomes.map(idOf)).size).toBe(100);
    expect(new Set(server.calls).size).toBe(100);
    expect(server.calls.length).toBeLessThanOrEqual(100 + breaksAt.length * 10);
    expect(server.connections()).toBe(1 + breaksAt.length);
  },
);

test("the source is asked for no more than the window, also where outcomes are not asked for", async () => {
  const { client } = await setup((n) => (n > 5 ? new Promise(() => {}) : undefined));
  let asked = 0;
  const source = (function* () {
    for (;;) {
      asked += 1;
      yield event();
    }
  })();
  const outcomes = client.ingestStream(source, { windowMax: 10 });
  for (let i = 0; i < 5; i++) await outcomes.next();
  await expect.poll(() => asked).toBe(5 + 10);
  await new Promise(setImmediate);
  expect(asked).toBe(5 + 10);
  await client.close();
  await expect(outcomes.next()).rejects.toMatchObject({ code: Code.Canceled });
});

test("what the server refuses is not tried again", async () => {
  const { server, client } = await setup(() => {
    throw new ConnectError("no", Code.PermissionDenied);
  });
  await expect(all(client.ingestStream([event()]))).rejects.toMatchObject({ code: Code.PermissionDenied });
  expect(server.calls).toHaveLength(1);
});

test("a server that never acknowledges is given up after as many streams as calls are attempted", async () => {
  const { server, client } = await setup(() => {
    throw new ConnectError("away", Code.Unavailable);
  });
  await expect(all(client.ingestStream([event()]))).rejects.toMatchObject({ code: Code.Unavailable });
  expect(server.calls).toHaveLength(4);
});

test("an error of the source is the caller's own", async () => {
  const { client } = await setup();
  const mine = new Error("the source is dry");
  const source = (async function* () {
    yield event();
    throw mine;
  })();
  await expect(all(client.ingestStream(source))).rejects.toBe(mine);
});

test("a source that waits longer than the server's patience is waited for", async () => {
  let goOn = () => {};
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  const { server, client } = await setup();
  const source = (async function* () {
    yield event("first");
    await waiting;
    yield event("second");
  })();
  const outcomes = client.ingestStream(source);
  await outcomes.next();
  const second = outcomes.next();
  server.break("end");
  await expect.poll(() => server.connections()).toBeGreaterThanOrEqual(1);
  goOn();
  expect(await second).toMatchObject({ value: { stored: { eventId: "evt_second" } } });
  expect(await outcomes.next()).toEqual({ done: true, value: undefined });
});
