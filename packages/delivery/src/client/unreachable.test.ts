import { freePort } from "@posthaste/testkit";
import type { Client } from "@temporalio/client";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { connectTemporal } from "./connect.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { whyTemporalAway } from "./is-temporal-there.ts";
import { requireNamespace } from "./namespace.ts";

const clients: Client[] = [];
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await Promise.all(clients.splice(0).map((client) => client.connection.close()));
});

function clientAt(address: string): Client {
  const client = connectTemporal({ connectionOptions: { address } });
  clients.push(client);
  return client;
}

/** The resolver refuses this name without asking anybody: its first label is too long. */
const NO_HOST = `${"x".repeat(64)}.example:7233`;

test.concurrent.each([
  ["at a port that is closed", async () => `127.0.0.1:${await freePort(0)}`, "ECONNREFUSED"],
  ["at an IPv6 port that is closed", async () => `[::1]:${await freePort(0)}`, "ECONNREFUSED|EADDRNOTAVAIL"],
  ["at a host that does not exist", async () => NO_HOST, "ENOTFOUND"],
])("a Temporal %s is unreachable, and the worker's error says why", async (_where, addressOf, cause) => {
  const address = await addressOf();
  const client = clientAt(address);
  expect(await whyTemporalAway(client)).toBe("unreachable");
  const error = await requireNamespace(client).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain(`no connection to Temporal at ${address} can be made (`);
  expect(String(error)).toMatch(new RegExp(`\\((${cause})\\): check the address, and that the server runs$`));
  expect([GRPC.DEADLINE_EXCEEDED, GRPC.UNAVAILABLE]).toContain(grpcCodeOf(error));
});

test("a Temporal behind a proxy is silent, since only the proxy can tell whether it is there", async () => {
  vi.stubEnv("http_proxy", "http://127.0.0.1:1");
  expect(await whyTemporalAway(clientAt("temporal.invalid:7233"))).toBe("silent");
});
