import { SCOPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startBench } from "../fixture.ts";
import { call, type World } from "./changes.ts";

const TARGET = { targetUrl: "https://receiver.example/?key=1", eventTypes: ["invoice_sent"] };

let t: World;
beforeEach(async () => {
  const bench = await startBench();
  t = { ...bench, admin: await bench.tokenWith(SCOPES) };
});
afterEach(() => t.dispose());

const entries = async (filter: object = {}) =>
  (await call(t, "AccountService/ListAuditEntries", { accountId: t.accountId, ...filter })).entries ?? [];
const subscribe = async () =>
  (await call(t, "SubscriptionService/CreateSubscription", TARGET)).subscription.id as number;
const ofSubscription = async (id: number) =>
  (await entries({ subject: "AUDIT_SUBJECT_SUBSCRIPTION", subjectId: String(id) })).map(
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    ({ action, beforeJson = "{}", afterJson = "{}" }: any) => ({
      action: action.replace("posthaste.v1.SubscriptionService/", ""),
      before: JSON.parse(beforeJson),
      after: JSON.parse(afterJson),
    }),
  );

describe("an entry", () => {
  test("holds the fields that changed, before and after, and of secrets only that they did", async () => {
    const id = await subscribe();
    const update = { id, description: "new", secret: "a:b", rateLimit: { perSecond: 2, burst: 4 } };
    await call(t, "SubscriptionService/UpdateSubscription", update);
    await call(t, "SubscriptionService/UpdateSubscription", {
      id,
      secret: "a:c",
      headers: { values: { a: "1" } },
    });
    await call(t, "SubscriptionService/UpdateSubscription", { id, secret: "", description: "" });
    const [removed, changed, first, created] = await ofSubscription(id);
    expect(created).toEqual({
      action: "CreateSubscription",
      before: {},
      after: {
        target_url: "https://receiver.example/",
        event_types: ["invoice_sent"],
        state: "active",
        acceptance: "OK_ONLY",
      },
    });
    expect(first).toEqual({
      action: "UpdateSubscription",
      before: {},
      after: { description: "new", secret: "(set)", rate_limit: { per_second: 2, burst: 4 } },
    });
    expect(changed?.after).toEqual({ secret: "(changed)", headers: "(set)", header_names: ["a"] });
    expect(removed).toMatchObject({ before: { description: "new" }, after: { secret: "(removed)" } });
  });

  test("says that single headers changed, and not to what", async () => {
    const id = await subscribe();
    const set = (values: object) =>
      call(t, "SubscriptionService/UpdateSubscription", { id, headerChanges: { set: values } });
    await set({ "x-a": "hush-1" });
    await set({ "x-a": "hush-2" });
    await set({ "x-a": "hush-2" });
    expect((await ofSubscription(id)).slice(0, 2).map(({ after }: { after: object }) => after)).toEqual([
      { headers: "(changed)" },
      { headers: "(set)", header_names: ["x-a"] },
    ]);
    expect(JSON.stringify(await entries())).not.toContain("hush");
  });

  test("names what a recovery is of as the contracts do", async () => {
    const filter = { eventTypes: ["invoice_sent"], attemptsMin: 2, statuses: [500] };
    await call(t, "DeliveryService/RecoverDeliveries", { since: "2026-01-01T00:00:00Z", ...filter });
    const [entry] = await entries({ subject: "AUDIT_SUBJECT_RECOVERY" });
    const expected = { event_types: ["invoice_sent"], attempts_min: 2, statuses: [500] };
    expect(JSON.parse(entry.afterJson).filter).toEqual(expected);
  });

  test("says of a recovery that only counts that it does, also when it is cancelled", async () => {
    const range = { since: "2026-01-01T00:00:00Z" };
    for (const dryRun of [true, false]) {
      const { recovery } = await call(t, "DeliveryService/RecoverDeliveries", { ...range, dryRun });
      await call(t, "DeliveryService/CancelRecovery", { id: recovery.id });
    }
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    const said = (await entries({ subject: "AUDIT_SUBJECT_RECOVERY" })).map(({ action, afterJson }: any) => [
      action.split("/")[1],
      JSON.parse(afterJson).dry_run,
    ]);
    expect(said.toReversed()).toEqual([
      ["RecoverDeliveries", true],
      ["CancelRecovery", true],
      ["RecoverDeliveries", false],
      ["CancelRecovery", undefined],
    ]);
  });

  test("says that a URL's query changed, and not how", async () => {
    const id = await subscribe();
    await call(t, "SubscriptionService/UpdateSubscription", {
      id,
      targetUrl: "https://receiver.example/?key=2",
    });
    const [{ before, after }] = await ofSubscription(id);
    expect([before, after]).toEqual([
      { target_url: "https://receiver.example/" },
      { target_url: "https://receiver.example/?(changed)" },
    ]);
  });

  test("is not made by a call that changes nothing, or is refused", async () => {
    const id = await subscribe();
    await call(t, "SubscriptionService/PauseSubscription", { id });
    const secrets = { id, secret: "a:b", headers: { values: { "x-a": "1", "x-b": "2" } } };
    await call(t, "SubscriptionService/UpdateSubscription", secrets);
    const before = await entries();
    await call(t, "SubscriptionService/PauseSubscription", { id });
    await call(t, "SubscriptionService/UpdateSubscription", secrets);
    const reordered = { values: { "x-b": "2", "x-a": "1" } };
    await call(t, "SubscriptionService/UpdateSubscription", { id, headers: reordered });
    await call(t, "SubscriptionService/UpdateSubscription", { id, ...TARGET, description: "" });
    await call(t, "EventCatalogService/SetSchemaCheck", { schemaCheck: "SCHEMA_CHECK_OFF" });
    await t.rpc("SubscriptionService/CreateSubscription", TARGET);
    await t.rpc("SubscriptionService/PauseSubscription", { id: 999 });
    await t.rpc("SubscriptionService/PauseSubscription", { id }, { token: "unknown" });
    const ended = await subscribeElsewhere();
    await call(t, "SubscriptionService/DeleteSubscription", { id: ended });
    await call(t, "SubscriptionService/DeleteSubscription", { id: ended });
    await t.rpc("SubscriptionService/ResumeSubscription", { id: ended });
    expect((await entries()).length).toBe(before.length + 2);
  });

  test("of a recovery that resumes its subscription is one of two", async () => {
    const id = await subscribe();
    await call(t, "SubscriptionService/PauseSubscription", { id });
    const action = "posthaste.v1.DeliveryService/RecoverDeliveries";
    await call(t, "DeliveryService/RecoverDeliveries", { subscriptionId: id, since: "2026-01-01T00:00:00Z" });
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    expect((await entries({ action })).map(({ subject }: any) => subject)).toEqual([
      "AUDIT_SUBJECT_RECOVERY",
      "AUDIT_SUBJECT_SUBSCRIPTION",
    ]);
  });

  test("is made by the REST gateway's writes as well", async () => {
    const webhook = { target_url: "https://rest.example/", event: "invoice_sent", secret: "hush" };
    const { body } = await t.rest("POST", "/api/Webhook", { json: webhook });
    await t.rest("POST", "/api/Webhook", { json: { ...webhook, event: "contact_created" } });
    await t.rest("DELETE", `/api/Webhook/${body.id}`);
    await t.rest("DELETE", "/api/Webhook?target_url=https://rest.example/");
    const made = await entries({ subject: "AUDIT_SUBJECT_SUBSCRIPTION" });
    // biome-ignore lint/suspicious/noExplicitAny: an answer
    expect(made.map(({ action }: any) => action)).toEqual([
      "DELETE /api/Webhook",
      "DELETE /api/Webhook/:id",
      "POST /api/Webhook",
      "POST /api/Webhook",
    ]);
    expect(JSON.stringify(made)).not.toContain("hush");
  });

  const subscribeElsewhere = async () =>
    (
      await call(t, "SubscriptionService/CreateSubscription", {
        ...TARGET,
        targetUrl: "https://other.example/",
      })
    ).subscription.id as number;
});

describe("the list of entries", () => {
  test("is filtered and paged, newest first", async () => {
    const ids = [];
    for (let i = 0; i < 3; i++) {
      const target = { ...TARGET, targetUrl: `https://receiver-${i}.example/` };
      ids.push((await call(t, "SubscriptionService/CreateSubscription", target)).subscription.id);
    }
    const action = "posthaste.v1.SubscriptionService/CreateSubscription";
    const list = (request: object) => call(t, "AccountService/ListAuditEntries", { action, ...request });
    const first = await list({ pageSize: 2 });
    const second = await list({ pageSize: 2, pageToken: first.nextPageToken });
    const seen = [...first.entries, ...second.entries].map(({ subjectId }) => Number(subjectId));
    expect(seen).toEqual(ids.toReversed());
    expect(second.nextPageToken ?? "").toBe("");
    const at = first.entries[0].createdAt;
    expect((await list({ createdBefore: "2020-01-01T00:00:00Z" })).entries ?? []).toEqual([]);
    expect((await list({ createdFrom: at })).entries).not.toEqual([]);
    const { tokenId } = first.entries[0].actor;
    expect((await list({ tokenId })).entries).toHaveLength(3);
    expect((await list({ tokenId: "999" })).entries ?? []).toEqual([]);
  });

  test("needs the scope admin", async () => {
    const denied = await t.rpc("AccountService/ListAuditEntries", { accountId: t.accountId });
    expect(denied.body.code).toBe("permission_denied");
  });
});

describe("an ended subscription", () => {
  test("is listed on demand with when it ended, why, and by whom", async () => {
    const id = await subscribe();
    await t.rpc("SubscriptionService/DeleteSubscription", { id });
    const reason = expect.stringMatching(/^deleted by its owner, with the token \d+ \(test\)$/);
    const ended = { id, state: "SUBSCRIPTION_STATE_ENDED", endedReason: reason, endedAt: expect.any(String) };
    const list = (request: object) => t.rpc("SubscriptionService/ListSubscriptions", request);
    expect((await list({})).body).toEqual({});
    expect((await list({ includeEnded: true })).body.subscriptions).toMatchObject([ended]);
    const wanted = { includeEnded: true, eventType: "invoice_sent" };
    expect((await list(wanted)).body.subscriptions).toMatchObject([ended]);
    expect((await list({ ...wanted, eventType: "contact_created" })).body).toEqual({});
    expect((await t.rpc("SubscriptionService/GetSubscription", { id })).body.subscription).toMatchObject(
      ended,
    );
    expect((await t.rest("GET", `/api/Webhook/${id}`)).status).toBe(404);
    expect((await t.rest("GET", "/api/Webhook")).body).toEqual({ Webhooks: [] });
  });
});
