import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { SubscriptionState } from "@posthaste/contracts/subscription";
import { connectTemporal, inspectDelivery, namesOf } from "@posthaste/delivery/client";
import type { DeliveryId, Lane } from "@posthaste/domain";
import { type Stack, startStack } from "@posthaste/stack";
import { certificateFor, type Receiver, refusedUrl, startReceiver } from "@posthaste/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { endStack } from "./end-stack.ts";

/** Defines the delivery tests with first attempts in one lane. */
export function deliverSuite(lane: Lane): void {
  const PATIENCE = { timeout: 30_000, interval: 50 };

  let stack: Stack;
  let receiver: Receiver;
  let wrongName: Receiver;
  let certificates: string;
  /** Deliveries for which a test requested a retry. */
  const askedFor = new Set<string>();

  beforeAll(async () => {
    const certificate = await certificateFor("elsewhere.example");
    certificates = mkdtempSync(join(tmpdir(), "posthaste-ca-"));
    writeFileSync(join(certificates, "ca.pem"), certificate.cert);
    wrongName = await startReceiver({ tls: certificate });
    // The worker trusts the certificate's issuer, so only the name is wrong.
    stack = await startStack({ lane, env: { NODE_EXTRA_CA_CERTS: join(certificates, "ca.pem") } });
  });
  afterAll(async () => {
    await wrongName?.stop();
    rmSync(certificates, { recursive: true, force: true });
    await endStack(stack, askedFor);
  });
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(() => receiver.stop());

  async function ingest(dataJson: string, eventType = "invoice_sent") {
    return await stack.client.events.ingestEvent({
      eventType,
      snapshot: { case: "dataJson", value: dataJson },
    });
  }

  /** Waits until the delivery of an event to a subscription has this number of attempts, and returns it. */
  async function deliveryWhere(eventId: string, subscriptionId: number, attempts: number) {
    return await vi.waitFor(async () => {
      const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId, subscriptionId });
      expect(deliveries).toHaveLength(1);
      expect(deliveries[0]?.attempts).toBe(attempts);
      return deliveries[0];
    }, PATIENCE);
  }

  /** Delivers an event to a new subscription on this URL, and returns the first attempt from the log. */
  async function firstAttempt(targetUrl: string, timeoutSeconds?: number) {
    const created = await stack.client.subscriptions.createSubscription({
      targetUrl,
      eventTypes: ["invoice_sent"],
      ...(timeoutSeconds === undefined ? {} : { timeout: { seconds: BigInt(timeoutSeconds) } }),
    });
    const id = created.subscription?.id ?? 0;
    const { eventId } = await ingest('{"InvoiceNumber":"INV-1"}');
    const delivery = await deliveryWhere(eventId, id, 1);
    const { attempts } = await stack.client.deliveries.listAttempts({ deliveryId: delivery?.id ?? "" });
    await stack.client.subscriptions.deleteSubscription({ id });
    return { delivery, attempt: attempts[0] };
  }

  describe("an event, through the real gateway and the real Temporal server", () => {
    test("reaches the receiver as an array with one item, whose bytes equal the ingested ones", async () => {
      const json = String.raw`{ "z":12345678901234567890, "a" : 1.10,"u":"\u00e9\ud83d\ude80é🚀","e":1E+2,"nested":{"b":[1,2 ],"a":{}} }`;
      const id = await stack.subscribe(receiver.url);
      const { eventId, deliveryCount } = await ingest(json);
      expect(deliveryCount).toBe(1);

      const [request] = await receiver.waitFor(1, { timeoutMs: 30_000 });
      expect(request?.method).toBe("POST");
      expect(request?.body.equals(Buffer.from(`[${json}]`))).toBe(true);
      expect(JSON.parse(request?.body.toString() ?? "")).toHaveLength(1);

      const delivery = await deliveryWhere(eventId, id, 1);
      expect(delivery).toMatchObject({
        state: DeliveryState.SUCCEEDED,
        lastOutcome: Outcome.ACCEPTED,
        lastStatus: 200,
      });
      expect(request?.headers).toMatchObject({
        "content-type": "application/json",
        "webhook-id": eventId,
        "webhook-event": "invoice_sent",
        "webhook-delivery": delivery?.id,
        "webhook-attempt": "1",
        "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
        "user-agent": expect.stringMatching(/^Posthaste\/\d/),
      });
      expect(request?.headers).not.toHaveProperty("authorization");
      await stack.client.subscriptions.deleteSubscription({ id });
    });

    test("carries the subscription's secret as Basic credentials", async () => {
      const response = await fetch(`${stack.apiUrl}/api/Webhook`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${stack.token}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: new URLSearchParams({
          target_url: receiver.url,
          event: "invoice_sent",
          secret: "user:pass wörd",
        }),
      });
      const { ID: id } = (await response.json()) as { ID: number };
      await ingest('{"InvoiceNumber":"INV-2"}');
      const [request] = await receiver.waitFor(1, { timeoutMs: 30_000 });
      expect(request?.headers["authorization"]).toBe(
        `Basic ${Buffer.from("user:pass wörd").toString("base64")}`,
      );
      await stack.client.subscriptions.deleteSubscription({ id });
    });

    test("reaches a wildcard subscription, and a URL with two matching subscriptions only once", async () => {
      const all = await stack.subscribe(receiver.url, "*");
      const one = await stack.subscribe(receiver.url, "contact_created");
      const { deliveryCount } = await ingest('{"ContactID":1}', "contact_created");
      expect(deliveryCount).toBe(1);
      await ingest('{"ContactID":2}', "contact_created");
      await receiver.waitFor(2, { timeoutMs: 30_000 });
      expect(receiver.requests.map((request) => request.body.toString()).sort()).toEqual([
        '[{"ContactID":1}]',
        '[{"ContactID":2}]',
      ]);
      await stack.client.subscriptions.deleteSubscription({ id: all });
      await stack.client.subscriptions.deleteSubscription({ id: one });
    });

    test("without a matching subscription is accepted and has no deliveries", async () => {
      expect(await ingest('{"TaskID":1}', "task_created")).toMatchObject({ deliveryCount: 0 });
    });

    test("that is answered with 410 ends the delivery and the subscription", async () => {
      receiver.answer({ kind: "status", status: 410 });
      const id = await stack.subscribe(receiver.url);
      const { eventId } = await ingest('{"InvoiceNumber":"INV-3"}');
      const delivery = await deliveryWhere(eventId, id, 1);
      expect(delivery).toMatchObject({ state: DeliveryState.CANCELLED, lastOutcome: Outcome.GONE });
      const response = await fetch(`${stack.apiUrl}/api/Webhook/${id}`, {
        headers: { authorization: `Bearer ${stack.token}` },
      });
      expect(response.status).toBe(404);
    });
  });

  describe("the log has a distinct outcome for", () => {
    test.each([
      [201, Outcome.STATUS],
      [204, Outcome.STATUS],
      [302, Outcome.REDIRECT],
      [404, Outcome.STATUS],
      [500, Outcome.STATUS],
    ])("status %i", async (status, outcome) => {
      receiver.answer({
        kind: "status",
        status,
        headers: { location: `${receiver.url}/elsewhere` },
      });
      const { delivery, attempt } = await firstAttempt(receiver.url);
      expect(attempt).toMatchObject({
        outcome,
        status,
        address: `127.0.0.1:${receiver.port}`,
        acceptance: "OK_ONLY",
      });
      expect(delivery?.nextAttemptAt).toBeDefined();
      expect(receiver.requests).toHaveLength(1);
    });

    test("a timeout", async () => {
      receiver.answer({ kind: "hang" });
      const { attempt } = await firstAttempt(receiver.url, 1);
      expect(attempt).toMatchObject({ outcome: Outcome.TIMEOUT, status: 0 });
    });

    test("a refused connection", async () => {
      const { attempt } = await firstAttempt(await refusedUrl());
      expect(attempt).toMatchObject({ outcome: Outcome.REFUSED, status: 0, address: "" });
    });

    test("a connection that is reset", async () => {
      receiver.answer({ kind: "reset" });
      const { attempt } = await firstAttempt(receiver.url);
      expect(attempt).toMatchObject({ outcome: Outcome.RESET, status: 0 });
    });

    test("a certificate for another name", async () => {
      const { attempt } = await firstAttempt(wrongName.url);
      expect(attempt).toMatchObject({ outcome: Outcome.TLS, detail: "ERR_TLS_CERT_ALTNAME_INVALID" });
      expect(wrongName.requests).toHaveLength(0);
    });
  });

  describe("retry now", () => {
    test("starts the next attempt at once, and only one however often it is clicked", async () => {
      receiver.answer({ kind: "status", status: 500 });
      const id = await stack.subscribe(receiver.url);
      const { eventId } = await ingest('{"InvoiceNumber":"INV-5"}');
      const waiting = await deliveryWhere(eventId, id, 1);
      askedFor.add(waiting?.id ?? "");
      const click = () => stack.client.deliveries.retryDelivery({ id: waiting?.id ?? "" });
      const clicks = Promise.all([click(), click(), click()]);
      // A click after the attempt would request another one.
      receiver.answer(async () => {
        await clicks;
        return { kind: "status", status: 500 };
      });
      await clicks;
      const again = await deliveryWhere(eventId, id, 2);
      expect(receiver.requests.map((request) => request.headers["webhook-attempt"])).toEqual(["1", "2"]);
      // The second wait of the schedule: 30 minutes.
      const waitS = Number(again?.nextAttemptAt?.seconds) - Date.now() / 1000;
      expect(waitS).toBeGreaterThan(29 * 60);
      expect(waitS).toBeLessThan(31 * 60);
      await stack.client.subscriptions.deleteSubscription({ id });
    });
  });

  describe("stopping", () => {
    test("a worker finishes its attempt first, and no request is repeated", async () => {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      receiver.answer(async () => {
        await held;
        return { kind: "status", status: 200 };
      });
      const id = await stack.subscribe(receiver.url);
      const { eventId } = await ingest('{"InvoiceNumber":"INV-4"}');
      await receiver.waitFor(1, { timeoutMs: 30_000 });
      const stopped = stack.workers[0]?.stop();
      release();
      expect(await stopped).toBe(0);
      expect(await deliveryWhere(eventId, id, 1)).toMatchObject({ state: DeliveryState.SUCCEEDED });
      await stack.workers[0]?.start();
      expect(receiver.requests).toHaveLength(1);
      await stack.client.subscriptions.deleteSubscription({ id });
    });
  });

  test("a subscription's custom headers are sent with every attempt and replace none of Posthaste's", async () => {
    const { subscription } = await stack.client.subscriptions.createSubscription({
      targetUrl: receiver.url,
      eventTypes: ["invoice_sent"],
      description: "the gateway's key",
      metadata: { values: { team: "billing" } },
      headers: { values: { "X-Api-Key": "key-0123456789", Authorization: "Bearer other" } },
    });
    expect(subscription).toMatchObject({
      description: "the gateway's key",
      metadata: { team: "billing" },
      headerNames: ["authorization", "x-api-key"],
    });
    await ingest("{}");
    const [request] = await receiver.waitFor(1, { timeoutMs: 30_000 });
    expect(request?.headers).toMatchObject({
      "x-api-key": "key-0123456789",
      authorization: "Bearer other",
      "content-type": "application/json",
    });
    const id = subscription?.id ?? 0;
    for (const name of ["Webhook-Id", "Host"]) {
      const headers = { values: { [name]: "hush" } };
      await expect(stack.client.subscriptions.updateSubscription({ id, headers })).rejects.toThrow(
        "is set by the sender",
      );
    }
    await stack.client.subscriptions.updateSubscription({ id, headers: { values: {} } });
    await ingest("{}");
    const again = (await receiver.waitFor(2, { timeoutMs: 30_000 })).at(-1);
    expect(again?.headers).not.toHaveProperty("x-api-key");
    await stack.client.subscriptions.deleteSubscription({ id });
  });

  test("a test event is sent to one subscription once and marked as a test, and its call returns the outcome", async () => {
    const other = await startReceiver();
    const ids = [await stack.subscribe(receiver.url), await stack.subscribe(other.url)];
    const id = ids[0] ?? 0;
    const good = await stack.client.subscriptions.sendTestEvent({ subscriptionId: id });
    expect(good).toMatchObject({
      delivery: { state: DeliveryState.SUCCEEDED, test: true, eventType: "invoice_sent" },
      attempt: { number: 1, outcome: Outcome.ACCEPTED, status: 200 },
    });
    const [request] = receiver.requests;
    expect(request?.headers).toMatchObject({ "webhook-test": "true", "webhook-event": "invoice_sent" });
    expect(JSON.parse(request?.body.toString() ?? "")).toMatchObject([{ InvoiceNumber: expect.any(String) }]);

    receiver.answer({ kind: "status", status: 410 });
    const gone = await stack.client.subscriptions.sendTestEvent({
      subscriptionId: id,
      eventType: "contact_created",
      dataJson: '{ "ContactID" : 7 }',
    });
    expect(gone).toMatchObject({
      delivery: { state: DeliveryState.EXHAUSTED, endedReason: "a test event gets only one attempt" },
      attempt: { outcome: Outcome.GONE, status: 410 },
    });
    expect(receiver.requests.at(-1)?.body.toString()).toBe('[{ "ContactID" : 7 }]');
    const { subscription } = await stack.client.subscriptions.getSubscription({ id });
    expect(subscription?.state).toBe(SubscriptionState.ACTIVE);
    expect(receiver.requests).toHaveLength(2);
    expect(other.requests).toHaveLength(0);
    for (const one of ids) await stack.client.subscriptions.deleteSubscription({ id: one });
    await expect(stack.client.subscriptions.sendTestEvent({ subscriptionId: id })).rejects.toThrow(
      "has ended",
    );
    await other.stop();
  });

  test("a cancelled delivery ends its workflow, and arrives under the same webhook-id when it is resent", async () => {
    receiver.answer({ kind: "status", status: 500 });
    const id = await stack.subscribe(receiver.url);
    const { eventId } = await ingest('{"InvoiceNumber":"INV-9"}');
    const first = await deliveryWhere(eventId, id, 1);
    const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
    const temporal = { client, names: namesOf(stack.installation) };
    const inspect = async () => await inspectDelivery(temporal, first?.id as DeliveryId);
    // The attempt is stored before Temporal hears of it. Cancelled in between, the workflow ends at the next.
    const waiting = { kind: "running", nextAttemptAt: expect.any(Number) };
    await vi.waitFor(async () => expect(await inspect()).toEqual(waiting), PATIENCE);
    const { delivery: cancelled } = await stack.client.deliveries.cancelDelivery({ id: first?.id ?? "" });
    expect(cancelled).toMatchObject({
      state: DeliveryState.CANCELLED,
      endedReason: "cancelled by its owner",
    });
    await vi.waitFor(async () => expect(await inspect()).toEqual({ kind: "gone" }), PATIENCE);
    await client.connection.close();
    expect(receiver.requests).toHaveLength(1);

    receiver.answer({ kind: "status", status: 200 });
    const { delivery: second, resent } = await stack.client.deliveries.resendDelivery({
      id: first?.id ?? "",
    });
    expect(resent).toBe(true);
    const [before, again] = await receiver.waitFor(2, { timeoutMs: 30_000 });
    expect(again?.headers).toMatchObject({
      "webhook-id": before?.headers["webhook-id"],
      "webhook-delivery": second?.id,
      "webhook-attempt": "1",
    });
    await vi.waitFor(async () => {
      const { delivery } = await stack.client.deliveries.getDelivery({ id: second?.id ?? "" });
      expect(delivery?.state).toBe(DeliveryState.SUCCEEDED);
    }, PATIENCE);
    await expect(stack.client.deliveries.cancelDelivery({ id: second?.id ?? "" })).rejects.toMatchObject({
      rawMessage: expect.stringContaining("only an open delivery can be cancelled"),
    });
    await stack.client.subscriptions.deleteSubscription({ id });
  });
}
