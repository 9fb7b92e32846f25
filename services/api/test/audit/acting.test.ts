import { Code } from "@connectrpc/connect";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { type AccountId, SCOPES } from "@posthaste/domain";
import { createErasure } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accessTo, SERVICES } from "../../src/connect/access.ts";
import { type Bench, startBench } from "../fixture.ts";

const TARGET = { targetUrl: "https://receiver.example/", eventTypes: ["invoice_sent"] };

let t: Bench;
/** An operator's token, of another account than the bench's. */
let operator: { accountId: AccountId; token: string };
beforeEach(async () => {
  t = await startBench();
  operator = await t.accountWith(SCOPES);
});
afterEach(() => t.dispose());

/** Calls an RPC as the operator who acts in the bench's account, or in another one. */
const act = (method: string, body: object, account: number | string = t.accountId) =>
  t.rpc(method, body, { token: operator.token, account });

describe("an operator who acts in an account", () => {
  test("sees and changes that account, and the audit log names both", async () => {
    const { body } = await act("SubscriptionService/CreateSubscription", TARGET);
    const { id } = body.subscription;
    expect((await t.rpc("SubscriptionService/GetSubscription", { id })).status).toBe(200);
    const own = await t.rpc("SubscriptionService/ListSubscriptions", {}, { token: operator.token });
    expect(own.body).toEqual({});
    await act("SubscriptionService/DeleteSubscription", { id });
    const { body: log } = await t.rpc(
      "AccountService/ListAuditEntries",
      { subject: "AUDIT_SUBJECT_SUBSCRIPTION", subjectId: String(id) },
      { token: operator.token },
    );
    for (const entry of log.entries) {
      expect(entry).toMatchObject({ accountId: t.accountId, actor: { accountId: operator.accountId } });
    }
    // The owner reads that it was not one of their own tokens, and nothing of the operator's.
    const ended = await t.rpc("SubscriptionService/GetSubscription", { id });
    expect(ended.body.subscription.endedReason).toBe("deleted by an operator");
  });

  test("has every scope there but admin, while the calls of AccountService go on", async () => {
    const { body } = await act("SessionService/GetSession", {});
    expect(body.session).toMatchObject({
      ...{ accountId: t.accountId, accountName: "test", acting: true },
      tokenAccountId: operator.accountId,
      scopes: SCOPES.filter((scope) => scope !== "admin"),
    });
    expect((await act("AccountService/ListAccounts", {})).status).toBe(200);
    const shared = { code: "parcel_sent", schema: { type: "object" }, sampleJson: "{}", shared: true };
    expect((await act("EventCatalogService/CreateEventType", shared)).body.code).toBe("permission_denied");
  });

  test("may open streams there, which end with the account", async () => {
    const client = createPosthasteClient({ baseUrl: t.url, token: operator.token, account: t.accountId });
    try {
      const stream = client.deliveries.watchDeliveries({})[Symbol.asyncIterator]();
      await stream.next();
      await t.client.subscriptions.createSubscription(TARGET);
      await t.client.events.ingestEvent({
        eventType: "invoice_sent",
        snapshot: { case: "dataJson", value: "{}" },
      });
      expect((await stream.next()).value.changes).toHaveLength(1);
      await createErasure(t.store, { accountId: t.accountId, key: null, now: Date.now() });
      await expect(stream.next()).rejects.toMatchObject({ code: Code.NotFound });
    } finally {
      await client.close();
    }
  });

  test("is charged for it: their stream takes no place of the account's, and the log names both", async () => {
    const narrow = await startBench({ limits: { accountWatchesMax: 1 } });
    const { token, accountId } = await narrow.accountWith(SCOPES);
    const account = narrow.accountId;
    const acting = createPosthasteClient({ baseUrl: narrow.url, token, account });
    const open = (client: PosthasteClient) => client.deliveries.watchDeliveries({})[Symbol.asyncIterator]();
    try {
      await open(acting).next();
      await expect(open(acting).next()).rejects.toMatchObject({ code: Code.ResourceExhausted });
      await open(narrow.client).next();
      const lines = narrow.logged("request.completed");
      expect(lines.at(-1)).toMatchObject({ accountId, actingIn: account });
    } finally {
      await acting.close();
      await narrow.dispose();
    }
  });

  test("is refused with a sentence that names the header", async () => {
    const wrong: [account: number | string, code: string][] = [
      [999_999, "not_found"],
      ["acme", "invalid_argument"],
      ["0", "invalid_argument"],
      ["1, 2", "invalid_argument"],
    ];
    for (const [account, code] of wrong) {
      const { body } = await act("SubscriptionService/ListSubscriptions", {}, account);
      expect(body).toMatchObject({ code, message: expect.stringContaining("posthaste-account") });
    }
    const erased = await t.accountWith([]);
    await createErasure(t.store, { accountId: erased.accountId, key: null, now: Date.now() });
    const { body } = await act("SubscriptionService/ListSubscriptions", {}, erased.accountId);
    expect(body.code).toBe("not_found");
  });
});

test.each(SERVICES.flatMap(({ methods }) => methods.map((method) => [method.name, method] as const)))(
  "%s refuses the header to a token without the scope admin, unless it needs no token",
  async (_name, method) => {
    if (accessTo(method) === "public" || method.methodKind !== "unary") return;
    const name = `${method.parent.name}/${method.name}`;
    const { body } = await t.rpc(name, {}, { account: t.accountId });
    expect(body).toMatchObject({ code: "permission_denied" });
  },
);

test("the REST gateway refuses the header, for it acts in the token's own account", async () => {
  const headers = { "posthaste-account": String(t.accountId) };
  for (const [method, path] of [
    ["GET", "/api/Webhook"],
    ["GET", "/api/Webhook/1"],
    ["POST", "/api/Webhook"],
    ["DELETE", "/api/Webhook/1"],
    ["DELETE", "/api/Webhook?target_url=https://a.example/"],
  ] as const) {
    const { status, body } = await t.rest(method, path, { headers, token: operator.token });
    expect([status, body.detail]).toEqual([400, expect.stringContaining("posthaste-account")]);
  }
});
