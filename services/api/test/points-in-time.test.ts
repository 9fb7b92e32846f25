import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

type Time = Pick<Timestamp, "seconds" | "nanos">;
const at = (seconds: bigint, nanos = 0): Time => ({ seconds, nanos });
const END_OF_9999_S = 253_402_300_799n;
const YEAR_1_S = -62_135_596_800n;

/** Calls in Protobuf's binary format, which can encode times that its JSON format cannot. */
const calls = () => {
  const transport = createConnectTransport({ baseUrl: t.url, httpVersion: "1.1" });
  const headers = { authorization: `Bearer ${t.token}` };
  const deliveries = createClient(DeliveryService, transport);
  const accounts = createClient(AccountService, transport);
  const since = at(0n);
  return {
    created_from: (time: Time) => deliveries.listDeliveries({ createdFrom: time }, { headers }),
    created_before: (time: Time) => deliveries.listDeliveries({ createdBefore: time }, { headers }),
    since: (time: Time) => deliveries.recoverDeliveries({ since: time, dryRun: true }, { headers }),
    until: (time: Time) => deliveries.recoverDeliveries({ since, until: time, dryRun: true }, { headers }),
    expires_at: async (time: Time) => {
      const authorization = `Bearer ${await t.tokenWith(["admin"])}`;
      const token = { accountId: t.accountId, name: "a", scopes: ["events:write"], expiresAt: time };
      return await accounts.createToken(token, { headers: { authorization } });
    },
    "since of a replay": async (time: Time) => {
      const { subscriptionId } = await subscribed();
      return await deliveries.replayEvents({ subscriptionId, since: time, dryRun: true }, { headers });
    },
    "until of a replay": async (time: Time) => {
      const { subscriptionId } = await subscribed();
      return await deliveries.replayEvents({ subscriptionId, since, until: time, dryRun: true }, { headers });
    },
  };
};

let urls = 0;
async function subscribed(): Promise<{ subscriptionId: number }> {
  const request = { targetUrl: `https://receiver.example/${++urls}`, eventTypes: ["*"] };
  const { body } = await t.rpc("SubscriptionService/CreateSubscription", request);
  return { subscriptionId: (body as { subscription: { id: number } }).subscription.id };
}

const failureOf = async (call: Promise<unknown>): Promise<ConnectError | undefined> => {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  return undefined;
};

test.each([
  "created_from",
  "created_before",
  "since",
  "until",
  "since of a replay",
  "until of a replay",
  "expires_at",
] as const)("a time outside the years 1 to 9999 is the caller's mistake: %s", async (name) => {
  const call = calls()[name];
  const beyond = [at(10_000_000_000_000n), at(100_000_000_000_000n), at(END_OF_9999_S + 1n)];
  const before = [at(-100_000_000_000_000n), at(YEAR_1_S - 1n)];
  for (const time of name === "expires_at" ? beyond : [...beyond, ...before]) {
    const failure = await failureOf(call(time));
    expect([time, failure?.code]).toEqual([time, Code.InvalidArgument]);
    expect(failure?.rawMessage).toContain("from 1 to 9999");
  }
  expect(t.logged("request.faulted")).toEqual([]);
  expect(await failureOf(call(at(END_OF_9999_S, 999_000_000)))).toBeUndefined();
  // The zero time of some languages, and a time just before 1970.
  for (const time of name === "expires_at" || name.startsWith("until") ? [] : [at(YEAR_1_S), at(-1n)]) {
    expect(await failureOf(call(time))).toBeUndefined();
  }
});
