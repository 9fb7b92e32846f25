import { create, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { Code } from "@connectrpc/connect";
import { AccountService } from "@posthaste/contracts/account";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { InboxService } from "@posthaste/contracts/inbox";
import { SessionService } from "@posthaste/contracts/session";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { encodePageToken } from "@posthaste/domain";
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

/*
 * MySQL's collations of text ignore trailing spaces in comparisons, SQLite's do not. So no text with a space
 * at its end may reach a comparison.
 */

describe.each(["mysql", "sqlite"] as const)("a space at the end, on %s", (database) => {
  let t: Bench;
  afterEach(() => t.dispose());
  const delivered = async () => {
    t = await startBench({ database });
    const { subscription } = await t.client.subscriptions.createSubscription({
      targetUrl: "https://receiver.example/",
      eventTypes: ["invoice_sent"],
    });
    const snapshot = { case: "dataJson" as const, value: "{}" };
    const { eventId } = await t.client.events.ingestEvent({ eventType: "invoice_sent", snapshot });
    const { deliveries } = await t.client.deliveries.listDeliveries({ eventId });
    return { eventId, id: deliveries[0]?.id ?? "", keys: subscription?.publicKeysPath ?? "" };
  };

  test("makes another id, which every call refuses", async () => {
    const { id, eventId } = await delivered();
    const { deliveries } = t.client;
    const other = `${id} `;
    const calls = [
      deliveries.getDelivery({ id: other }),
      deliveries.listAttempts({ deliveryId: other }),
      deliveries.retryDelivery({ id: other }),
      deliveries.resendDelivery({ id: other }),
      deliveries.cancelDelivery({ id: other }),
      deliveries.getEvent({ id: `${eventId} ` }),
      deliveries.listDeliveries({ eventId: `${eventId} ` }),
      deliveries.listDeliveries({ pageToken: encodePageToken(other) }),
      deliveries.listEvents({ pageToken: encodePageToken(`${eventId} `) }),
    ];
    for (const answer of await Promise.allSettled(calls)) {
      expect(answer).toMatchObject({ status: "rejected", reason: { code: Code.InvalidArgument } });
    }
    await expect(calls[0]).rejects.toThrow("id must not contain a space");
  });

  test("makes another event type, which no filter matches", async () => {
    await delivered();
    const eventType = "invoice_sent ";
    const calls = [
      t.client.deliveries.listDeliveries({ eventType }),
      t.client.deliveries.listEvents({ eventType }),
      t.client.subscriptions.listSubscriptions({ eventType }),
      t.client.subscriptions.createSubscription({ targetUrl: "https://a.example/", eventTypes: [eventType] }),
      t.client.catalog.getEventType({ code: eventType }),
    ];
    const codes = (await Promise.allSettled(calls)).map((answer) =>
      answer.status === "rejected" ? answer.reason.code : "found",
    );
    const { InvalidArgument, NotFound } = Code;
    expect(codes).toEqual([...Array.from({ length: 4 }, () => InvalidArgument), NotFound]);
  });

  test("makes another set of public keys, which does not exist", async () => {
    const { keys } = await delivered();
    expect((await t.rest("GET", keys)).status).toBe(200);
    expect((await t.rest("GET", `${keys}%20`)).status).toBe(404);
  });
});

/** Texts of requests that may end in a space, since none is compared with a column of text. */
const FREE: Readonly<Record<string, string>> = {
  "CreateAccountRequest.name": "stored",
  "CreateTokenRequest.name": "stored",
  "ListAccountsRequest.page_token": "decoded",
  "ListAuditEntriesRequest.page_token": "decoded",
  "ListTokensRequest.page_token": "decoded",
  "ListDeliveriesRequest.page_token": "decoded",
  "ListEventsRequest.page_token": "decoded",
  "ListRecoveriesRequest.page_token": "decoded",
  "ListSubscriptionsRequest.page_token": "decoded",
  "WatchDeliveriesRequest.cursor": "decoded",
  "EraseEventsRequest.pointer": "compared in memory",
  "EraseEventsRequest.value": "compared in memory",
  "GetEventTypeRequest.code": "looked up in memory",
  "UpdateEventTypeRequest.code": "looked up in memory",
  "ArchiveEventTypeRequest.code": "looked up in memory",
  "SendTestEventRequest.event_type": "looked up in memory",
  "CreateSubscriptionRequest.event_types": "looked up in memory",
  "UpdateSubscriptionRequest.event_types": "looked up in memory",
  "SetInboxAnswerRequest.inbox_id": "looked up in memory",
  "WatchInboxRequest.inbox_id": "looked up in memory",
  "CreateEventTypeRequest.description": "stored",
  "UpdateEventTypeRequest.description": "stored",
  "CreateEventTypeRequest.sample_json": "stored",
  "UpdateEventTypeRequest.sample_json": "stored",
  "IngestEventRequest.data_json": "stored",
  "IngestEventRequest.idempotency_key": "hashed",
  "ListEventsRequest.idempotency_key": "hashed",
  "ListEventsRequest.key_value": "hashed",
  "OpenSessionRequest.portal_code": "hashed",
  "CreateSubscriptionRequest.target_url": "parsed, and compared by its hash",
  "UpdateSubscriptionRequest.target_url": "parsed, and compared by its hash",
  "CreateSubscriptionRequest.secret": "sealed",
  "UpdateSubscriptionRequest.secret": "sealed",
  "CreateSubscriptionRequest.description": "stored",
  "UpdateSubscriptionRequest.description": "stored",
  "SendTestEventRequest.data_json": "stored",
};

test("every text of a request refuses a space at its end, or is never compared with a column", () => {
  const methods: DescMethod[] = [
    ...[AccountService, DeliveryService, EventCatalogService, EventIngestService],
    ...[InboxService, SessionService, SubscriptionService],
  ].flatMap((service) => service.methods);
  const validator = createValidator();
  const texts = methods.flatMap(({ input }) => textsOf(input));
  const open = texts.filter(({ input, localName, name, isList }) => {
    const value = isList ? ["a "] : "a ";
    const { violations = [] } = validator.validate(input, create(input, { [localName]: value }));
    return !violations.some(({ field }) => field.some((step) => "name" in step && step.name === name));
  });
  const names = open.map(({ input, name }) => `${input.name}.${name}`);
  expect([...new Set(names)].sort()).toEqual(Object.keys(FREE).sort());
});

const STRING = 9;

function textsOf(input: DescMessage) {
  return input.fields
    .filter(
      (field) =>
        (field.fieldKind === "scalar" && field.scalar === STRING) ||
        (field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === STRING),
    )
    .map(({ name, localName, fieldKind }) => ({ input, name, localName, isList: fieldKind === "list" }));
}
