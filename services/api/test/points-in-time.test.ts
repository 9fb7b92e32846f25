import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { BadRequestSchema } from "@posthaste/contracts/error-details";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SERVICES } from "../src/connect/access.ts";
import { fieldsOfType } from "../src/connect/request-fields.ts";
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
const clients = () => {
  const transport = createConnectTransport({ baseUrl: t.url, httpVersion: "1.1" });
  const headers = { authorization: `Bearer ${t.token}` };
  const deliveries = createClient(DeliveryService, transport);
  return { deliveries, accounts: createClient(AccountService, transport), headers };
};

const calls = () => {
  const { deliveries, accounts, headers } = clients();
  const since = at(0n);
  return {
    created_from: (time: Time) => deliveries.listDeliveries({ createdFrom: time }, { headers }),
    created_before: (time: Time) => deliveries.listDeliveries({ createdBefore: time }, { headers }),
    "created_from of events": (time: Time) => deliveries.listEvents({ createdFrom: time }, { headers }),
    "created_before of events": (time: Time) => deliveries.listEvents({ createdBefore: time }, { headers }),
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
  // A recovery or replay cannot begin in the future.
  if (!name.startsWith("since")) {
    expect(await failureOf(call(at(END_OF_9999_S, 999_000_000)))).toBeUndefined();
  }
  // The zero time of some languages, and a time just before 1970.
  for (const time of name === "expires_at" || name.startsWith("until") ? [] : [at(YEAR_1_S), at(-1n)]) {
    expect(await failureOf(call(time))).toBeUndefined();
  }
});

describe("a range of time that holds nothing is refused, and its field is named:", () => {
  const nowS = () => BigInt(Math.floor(Date.now() / 1_000));

  test.each(["since", "since of a replay"] as const)("%s in the future", async (name) => {
    const failure = await failureOf(calls()[name](at(nowS() + 60n)));
    expect(failure?.rawMessage).toBe("since is in the future; nothing is there to send");
    expect(violatedIn(failure)).toEqual(["since"]);
    expect(await failureOf(calls()[name](at(nowS() - 60n)))).toBeUndefined();
  });

  test.each(["recoverDeliveries", "replayEvents"] as const)("until not after since, of %s", async (name) => {
    const { subscriptionId } = await subscribed();
    const { deliveries, headers } = clients();
    const call = (since: bigint, until: bigint) =>
      deliveries[name]({ subscriptionId, since: at(since), until: at(until), dryRun: true }, { headers });
    for (const until of [999n, 1_000n]) {
      const failure = await failureOf(call(1_000n, until));
      expect(failure?.code).toBe(Code.InvalidArgument);
      expect(failure?.rawMessage).toBe("until must be later than since");
      expect(violatedIn(failure)).toEqual(["until"]);
    }
    expect(await failureOf(call(1_000n, 1_001n))).toBeUndefined();
  });
});

describe("a time of no day or hour is refused in JSON, and its field is named:", () => {
  const recover = (times: object) =>
    t.rpc("DeliveryService/RecoverDeliveries", { since: "2024-01-01T00:00:00Z", dryRun: true, ...times });

  test.each([
    ["since", "2024-02-30T00:00:00Z"],
    ["since", "2023-02-29T12:00:00+02:00"],
    ["since", "1900-02-29T00:00:00Z"],
    ["until", "2024-04-31T00:00:00Z"],
    ["until", "2024-04-30T24:00:00Z"],
  ])("%s %s", async (field, time) => {
    const { status, body } = await recover({ [field]: time });
    expect(status).toBe(400);
    const { message, details } = body as { message: string; details: { debug?: unknown }[] };
    expect(message).toContain(time.includes("T24") ? "there is no hour 24" : `no day ${time.slice(0, 10)}`);
    expect(JSON.stringify(details)).toContain(`{"field":"${field}"`);
  });

  test.each([
    '{"createdFrom": "2024-01-01T00:00:00Z", "created_before" : "2024-06-31T00:00:00Z"}',
    '{"\\u0063reatedFrom": "2024-02-30T00:00:00Z"}',
    '{"createdFrom": "2024-02-3\\u0030\\u0054\\u0030\\u0030:00:00Z"}',
  ])("however it is written: %s", async (raw) => {
    expect(await t.rpc("DeliveryService/ListDeliveries", {}, { raw })).toMatchObject({ status: 400 });
  });

  test("as every time of a request is one of its own fields", () => {
    for (const { input } of SERVICES.flatMap(({ methods }) => methods)) {
      const own = input.fields.filter(({ message }) => message?.typeName === TimestampSchema.typeName);
      const all = fieldsOfType(input, TimestampSchema.typeName);
      expect([input.typeName, own.map(({ name }) => name)]).toEqual([input.typeName, all]);
    }
  });

  test("and a leap day is a day, as is any text in a snapshot", async () => {
    for (const since of ["2024-02-29T00:00:00Z", "2000-02-29T00:00:00Z"]) {
      expect(await recover({ since })).toMatchObject({ status: 200 });
    }
    const data = { since: "2024-02-30T00:00:00Z" };
    const event = { eventType: "invoice_sent", data };
    expect(await t.rpc("EventIngestService/IngestEvent", event)).toMatchObject({ status: 200 });
  });
});

const violatedIn = (failure: ConnectError | undefined) =>
  failure
    ?.findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations.map((v) => v.field));
