import { connect, createServer, type Socket } from "node:net";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { type Stack, startStack } from "@posthaste/stack";
import { freePort } from "@posthaste/testkit";
import { expect, onTestFinished, test } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * Two APIs behind a balancer are restarted in turn, as a deployment does, while clients call without a pause.
 */

const TIMEOUT_MS = 300_000;
/** How often each API is restarted. */
const ROUNDS = 1;

/** Spreads connections over the ports in turn; a port that refuses one is left out. */
async function startBalancer(ports: readonly number[]): Promise<number> {
  const sockets = new Set<Socket>();
  let next = 0;
  const forward = (client: Socket, tries: number) => {
    const upstream = connect({ port: ports[next++ % ports.length] ?? 0, host: "127.0.0.1" });
    sockets.add(upstream);
    let isOpen = false;
    upstream.once("connect", () => {
      isOpen = true;
      client.pipe(upstream).pipe(client);
    });
    upstream.on("error", () => upstream.destroy());
    upstream.once("close", () => {
      sockets.delete(upstream);
      if (isOpen || tries === ports.length) client.destroy();
      else forward(client, tries + 1);
    });
    client.once("close", () => upstream.destroy());
  };
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    client.once("close", () => sockets.delete(client));
    forward(client, 1);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

/** Repeats a call until told to stop. Resolves with how many were answered; rejects as soon as one is not. */
async function repeat(call: () => Promise<unknown>, done: AbortSignal): Promise<number> {
  for (let answered = 0; ; answered++) {
    if (done.aborted) return answered;
    await call();
  }
}

const callsOf = (client: PosthasteClient, subscriptionId: number) => ({
  ingest: () =>
    client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: '{"paid":true}' },
    }),
  list: () => client.deliveries.listDeliveries({ pageSize: 1 }),
  look: () => client.subscriptions.getSubscription({ id: subscriptionId }),
  change: () => client.subscriptions.updateSubscription({ id: subscriptionId, description: "kept" }),
});

test.for(["stop", "kill"] as const)(
  "no call fails while two APIs restart in turn (%s)",
  { timeout: TIMEOUT_MS },
  async (how) => {
    let stack: Stack | undefined;
    onTestFinished(async () => await endStack(stack));
    stack = await startStack({ apis: 2, lane: "direct" });
    const subscriptionId = await stack.subscribe(`http://127.0.0.1:${await freePort()}/`);
    const port = await startBalancer(stack.apiUrls.map((url) => Number(new URL(url).port)));
    const { token } = stack;
    const clients = (["connect", "grpc"] as const).map((protocol) =>
      createPosthasteClient({ baseUrl: `http://127.0.0.1:${port}`, token, protocol, deadlineMs: 60_000 }),
    );
    const done = new AbortController();
    const calling = clients.flatMap((client) =>
      Object.entries(callsOf(client, subscriptionId)).map(async ([name, call]) => ({
        name,
        answered: await repeat(call, done.signal),
      })),
    );
    const restarts = (async () => {
      for (let round = 0; round < ROUNDS; round++) {
        for (const api of stack.apis) {
          await api[how]();
          await api.start();
        }
      }
      done.abort();
    })();
    const [results] = await Promise.all([Promise.all(calling), restarts]);
    for (const { close } of clients) await close();
    expect(Math.min(...results.map(({ answered }) => answered))).toBeGreaterThan(1);
    // No event was stored twice, although calls were repeated.
    const ingested = results.filter(({ name }) => name === "ingest").reduce((sum, r) => sum + r.answered, 0);
    const { events } = await stack.store.db
      .selectFrom("events")
      .select(({ fn }) => fn.countAll<number>().as("events"))
      .executeTakeFirstOrThrow();
    expect(events).toBe(ingested);
  },
);
