import type { AccountId, DeliveryId, ErasureId, RecoveryId } from "@posthaste/domain";
import { startTcpProxy, type TcpProxy } from "@posthaste/testkit";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import type { Client } from "@temporalio/client";
import { NativeConnection } from "@temporalio/worker";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  connectTemporal,
  createSearchability,
  GRPC,
  grpcCodeOf,
  inspectDelivery,
  isTemporalThere,
  retryNow,
  scheduleRetention,
  signalRecovery,
  startDelivery,
  startErasure,
  startRecovery,
  type Temporal,
  unpause,
  wakeCancelled,
  whyTemporalAway,
} from "../src/client/index.ts";
import { clientOn } from "../src/worker/index.ts";

/* Temporal's connections stay open and get no answer: every call ends by itself, and says so. */

let t: DeliverySetup;
let proxy: TcpProxy;
const clients: Record<string, Client> = {};
beforeAll(async () => {
  t = await setupDelivery("dev-server");
  const [host = "", port] = t.env.address.split(":");
  proxy = await startTcpProxy({ host, port: Number(port) });
  const address = `127.0.0.1:${proxy.port}`;
  const connection = await NativeConnection.connect({ address });
  clients["an open connection"] = connectTemporal({ connectionOptions: { address } });
  clients["the worker's connection"] = clientOn(connection, "default");
  for (const client of Object.values(clients)) expect(await isTemporalThere(client)).toBe(true);
  proxy.silence();
  clients["a new connection"] = connectTemporal({ connectionOptions: { address } });
});
afterAll(async () => {
  for (const client of Object.values(clients)) await client.connection.close();
  await proxy.stop();
  await t.dispose();
});

const deliveryId = "dlv_x" as DeliveryId;
const delivery = {
  deliveryId,
  accountId: 1,
  subscriptionId: 1,
  eventId: "evt_x",
  eventType: "invoice_sent",
  targetUrl: "https://yoursite.example/",
} as Parameters<typeof startDelivery>[1];
const CALLS: Readonly<Record<string, (temporal: Temporal) => Promise<unknown>>> = {
  startDelivery: (temporal) => startDelivery(temporal, delivery),
  "startDelivery, which registers": (temporal) =>
    startDelivery(temporal, delivery, {
      searchability: createSearchability(temporal.client, { now: () => Date.now(), onMissing: () => {} }),
    }),
  inspectDelivery: (temporal) => inspectDelivery(temporal, deliveryId),
  retryNow: (temporal) => retryNow(temporal, deliveryId),
  unpause: (temporal) => unpause(temporal, deliveryId),
  wakeCancelled: (temporal) => wakeCancelled(temporal, deliveryId),
  startRecovery: (temporal) =>
    startRecovery(temporal, { id: 1 as RecoveryId, accountId: 1 as AccountId, kind: "recover" }),
  signalRecovery: (temporal) => signalRecovery(temporal, 1 as RecoveryId),
  startErasure: (temporal) => startErasure(temporal, { id: 1 as ErasureId, accountId: 1 as AccountId }),
  scheduleRetention: (temporal) => scheduleRetention(temporal, 1_000_000),
};
/** What a call past its deadline fails with; see {@link GRPC}. */
const LATE: readonly unknown[] = [GRPC.DEADLINE_EXCEEDED, GRPC.CANCELLED];

test.concurrent.each(["an open connection", "the worker's connection", "a new connection"])(
  "every call over %s has a deadline",
  async (which) => {
    const client = clients[which] as Client;
    const codes = Object.entries(CALLS).map(async ([name, call]) => [
      name,
      LATE.includes(
        await call({ client, names: t.temporal.names }).then(
          () => "it succeeded",
          (error: unknown) => grpcCodeOf(error),
        ),
      ),
    ]);
    expect(await Promise.all(codes)).toEqual(Object.keys(CALLS).map((name) => [name, true]));
    expect(await whyTemporalAway(client)).toBe("silent");
  },
);
