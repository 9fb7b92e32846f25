import { EVENT_TYPES, SCOPES } from "@posthaste/domain";
import { afterEach, expect, test } from "vitest";
import { accessTo, SERVICES } from "../../src/connect/access.ts";
import { startBench } from "../fixture.ts";
import { CHANGES, call, type World } from "./changes.ts";

const OWNERS = SCOPES.filter((scope) => scope !== "admin");

let t: World;
afterEach(() => t.dispose());
/** @param kb how much the changes of an account may add to the log in a day */
const start = async (kb: number) => {
  const bench = await startBench({ limits: { accountChangesMbPerDay: kb / 1_000 } });
  t = { ...bench, admin: await bench.tokenWith(SCOPES) };
};

const EVENTS = EVENT_TYPES.slice(0, 4).map(({ code }) => code);
let named = 0;
const post = (token: string, url = `https://receiver-${++named}.example/`, event = "invoice_sent") =>
  t.rest("POST", "/api/Webhook", { json: { target_url: url, event }, token });
const entries = async () =>
  Number((await t.store.db.selectFrom("audit_entries").select("id").execute()).length);

/** Makes changes until one is refused. */
const fill = async (token: string) => {
  for (let made = 0; made < 100; made++) {
    const answer = await post(token);
    if (answer.status !== 201) return { made, answer };
  }
  throw new Error("no change was refused");
};

test("what an account may add to the log in a day is bounded, and reads and ingest go on", async () => {
  await start(10);
  const [one, other] = [await t.tokenWith(OWNERS), await t.tokenWith(OWNERS)];
  const { answer } = await fill(one);
  expect(answer.status).toBe(429);
  expect(answer.body).toMatchObject({ reason: "CHANGES_FULL", title: "Too many requests" });
  expect(answer.body.detail).toMatch(/^the changes of this token have stored 0\.0075 MB .* operator/);
  const wait = Number(answer.headers.get("retry-after"));
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(86_400);
  // The rest is for the account's other tokens.
  const rest = await fill(other);
  expect(rest.made).toBeGreaterThan(0);
  expect(rest.answer.body.detail).toMatch(/^the changes of this account have stored 0\.01 MB/);

  const test = { targetUrl: "https://receiver.example/?rpc", eventTypes: ["invoice_sent"] };
  const rpc = await t.rpc("SubscriptionService/CreateSubscription", test, { token: other });
  expect(rpc).toMatchObject({ status: 429, body: { code: "resource_exhausted" } });
  expect(await t.rest("GET", "/api/Webhook", { token: one })).toMatchObject({ status: 200 });
  const event = { eventType: "invoice_sent", dataJson: "{}" };
  expect(await t.rpc("EventIngestService/IngestEvent", event, { token: one })).toMatchObject({ status: 200 });
  const neighbour = await t.accountWith(OWNERS);
  expect(await post(neighbour.token)).toMatchObject({ status: 201 });
});

/** Owners' calls that only stop something. */
const STOPPING = [
  "PauseSubscription",
  "DeleteSubscription",
  "CancelDelivery",
  "PauseRecovery",
  "CancelRecovery",
];

test("once the account's part is full, every call of an owner that would be entered is refused, unless it only stops something", async () => {
  await start(4);
  const token = await t.tokenWith(OWNERS);
  const methods = SERVICES.flatMap((service) =>
    service.methods.map((method) => [`${service.typeName}/${method.name}`, accessTo(method)] as const),
  );
  const ofOwners = methods.filter(
    ([name, access]) => name in CHANGES && !["admin", "public"].includes(access),
  );
  expect(ofOwners.length).toBeGreaterThan(10);
  for (const [name] of ofOwners) {
    const body = (await CHANGES[name]?.(t)) ?? {};
    await fill(token);
    const before = await entries();
    const answer = await t.rpc(name.replace("posthaste.v1.", ""), body, { token });
    const stops = STOPPING.some((stopping) => name.endsWith(`/${stopping}`));
    expect([name, answer.status]).toEqual([name, stops ? 200 : 429]);
    if (!stops) expect(JSON.stringify(answer.body)).toContain("CHANGES_FULL");
    expect((await entries()) - before).toBe(stops ? 1 : 0);
  }
});

test("a call takes as much as it enters: nothing if it changes nothing, and more if it ends many", async () => {
  await start(20);
  const url = "https://receiver.example/?many";
  const remove = (token: string) =>
    t.rest("DELETE", `/api/Webhook?target_url=${encodeURIComponent(url)}`, { token });
  const madeBeside = async (events: readonly string[]) => {
    const token = (await t.accountWith(OWNERS)).token;
    for (const event of events) expect(await post(token, url, event)).toMatchObject({ status: 201 });
    const before = await entries();
    for (let n = 0; n < 40; n++) expect(await remove(token)).toMatchObject({ status: 200 });
    expect((await entries()) - before).toBe(events.length);
    return (await fill(token)).made;
  };
  // Each is created and ended: with three more, six entries fewer find room, or five small ones.
  const one = await madeBeside(["invoice_sent"]);
  const all = await madeBeside(EVENTS);
  expect(one - all).toBeGreaterThanOrEqual(2 * (EVENTS.length - 1) - 1);
});

test("an operator is not limited, and acting in an account takes nothing from its part", async () => {
  await start(4);
  const token = await t.tokenWith(OWNERS);
  const operator = (await t.accountWith(SCOPES)).token;
  for (let n = 0; n < 20; n++) {
    const target = { targetUrl: `https://acting-${n}.example/`, eventTypes: ["invoice_sent"] };
    const options = { token: operator, account: t.accountId };
    const created = await t.rpc("SubscriptionService/CreateSubscription", target, options);
    expect(created).toMatchObject({ status: 200 });
    const link = { accountId: t.accountId, scopes: ["deliveries:read"] };
    await call(t, "AccountService/CreatePortalLink", link);
  }
  expect(await post(token)).toMatchObject({ status: 201 });
});

test("a version of an event type counts with all its texts, and an update that changes nothing makes none", async () => {
  await start(200);
  const { token } = await t.accountWith(OWNERS);
  const code = "large";
  const sampleJson = JSON.stringify({ text: "x".repeat(60_000) });
  const created = await t.rpc("EventCatalogService/CreateEventType", { code, sampleJson }, { token });
  expect(created).toMatchObject({ status: 200, body: { eventType: { version: 1 } } });
  const update = async (description: string) =>
    await t.rpc("EventCatalogService/UpdateEventType", { code, description }, { token });
  for (let n = 0; n < 10; n++) {
    const { status, body } = await update("one");
    expect([status, body.eventType?.version]).toEqual([200, 2]);
  }
  // Of 150 KB, each takes 60 and somewhat more.
  expect(await update("two")).toMatchObject({ status: 200, body: { eventType: { version: 3 } } });
  expect(await update("three")).toMatchObject({ status: 429, body: { code: "resource_exhausted" } });
  expect(await update("two")).toMatchObject({ status: 200, body: { eventType: { version: 3 } } });
  const checked = { code: "other", sampleJson, validateOnly: true };
  expect(await t.rpc("EventCatalogService/CreateEventType", checked, { token })).toMatchObject({
    status: 200,
  });
});
