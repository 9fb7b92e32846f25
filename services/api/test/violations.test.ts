import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SCOPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

describe("a violation of the contract's rules is answered with what to do:", () => {
  const event = { eventType: "invoice_sent", dataJson: "{}" };
  test.each<[string, string, object, RegExp]>([
    ["no event type", "EventIngestService/IngestEvent", { dataJson: "{}" }, /^event_type is missing/],
    [
      "an event type in capitals",
      "EventIngestService/IngestEvent",
      { ...event, eventType: "Invoice Sent" },
      /^event_type is missing or malformed; it must match the regular expression `\^\[a-z\]/,
    ],
    [
      "no snapshot",
      "EventIngestService/IngestEvent",
      { eventType: "invoice_sent" },
      /^data or data_json is missing; send one of them$/,
    ],
    [
      "no snapshot in a batch",
      "EventIngestService/IngestEvents",
      { events: [event, { eventType: "invoice_sent" }] },
      /^events\[1\]\.data or events\[1\]\.data_json is missing; send one of them$/,
    ],
    ["no events", "EventIngestService/IngestEvents", {}, /^events is missing$/],
    [
      "several violations",
      "SubscriptionService/CreateSubscription",
      { secret: "x".repeat(256) },
      /^target_url is missing; event_types is missing; secret must be at most 255 characters$/,
    ],
    [
      "a page size that is too large",
      "SubscriptionService/ListSubscriptions",
      { pageSize: 501 },
      /^page_size must be .* less than or equal to 500$/,
    ],
    [
      "a state that does not exist",
      "DeliveryService/ListDeliveries",
      { state: 99 },
      /^state must be one of /,
    ],
    [
      "an event type twice",
      "SubscriptionService/CreateSubscription",
      { targetUrl: "https://a.example/", eventTypes: ["invoice_sent", "invoice_sent"] },
      /^event_types must not hold the same item twice$/,
    ],
    [
      "a scope that does not exist",
      "AccountService/CreateToken",
      { accountId: 1, name: "a", scopes: ["admin:all"] },
      /^scopes\[0\] must be one of subscriptions:read, /,
    ],
    [
      "a pointer that is too short",
      "AccountService/EraseEvents",
      { accountId: 1, pointer: "/", value: "a" },
      /^pointer is missing or too short; it must be at least 2 characters$/,
    ],
    ["no id", "DeliveryService/GetDelivery", {}, /^id is missing$/],
  ])("%s", async (_title, method, body, message) => {
    const token = await t.tokenWith([...SCOPES]);
    const answer = await t.rpc(method, body, { token });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
    expect(answer.body.message).toMatch(message);
    expect(answer.body.details[0].type).toBe("buf.validate.Violations");
  });
});

describe("the answer to a thousand violations is small enough for every protocol", () => {
  const transports = {
    Connect: () => createConnectTransport({ baseUrl: t.url, httpVersion: "1.1" }),
    gRPC: () => createGrpcTransport({ baseUrl: t.url }),
    "gRPC-Web": () => createGrpcWebTransport({ baseUrl: t.url, httpVersion: "1.1" }),
  };
  test.each(Object.entries(transports))("over %s", async (_name, transport) => {
    const events = Array.from({ length: 1_000 }, () => ({ eventType: "Invoice Sent" }));
    const headers = { authorization: `Bearer ${t.token}` };
    const error = await createClient(EventIngestService, transport())
      .ingestEvents({ events }, { headers })
      .then(
        () => new ConnectError("it was accepted", Code.Unknown),
        (reason: unknown) => ConnectError.from(reason),
      );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^events\[0\]\.event_type is .*; and \d+ more$/);
  });
});
