import { once } from "node:events";
import { get, type IncomingMessage, METHODS, request } from "node:http";
import { text } from "node:stream/consumers";
import { createSubscription, endSubscription } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, type RestOptions, startBench } from "./fixture.ts";

const URL_1 = "https://yoursite.com/yourpage";
const RPC = "/posthaste.v1.EventIngestService/IngestEvent";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const subscribe = async (target_url = URL_1, event = "contact_created") => {
  const { status, body } = await t.rest("POST", "/api/Webhook", { json: { target_url, event } });
  expect(status).toBe(201);
  return body.ID as number;
};

describe("POST /api/Webhook", () => {
  test("answers the published example with the new subscription's ID", async () => {
    const answer = await t.rest("POST", "/api/Webhook", {
      json: { target_url: URL_1, event: "contact_created" },
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      ID: 1,
      id: 1,
      signing_secret: expect.stringMatching(/^whsec_/),
      public_keys: expect.stringMatching(/^\/\.well-known\/webhook-keys\/[\w-]{22}$/),
    });
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("location")).toBe("/api/Webhook/1");
    expect(answer.headers.get("content-type")).toContain("application/json");
  });

  test("accepts a form, a wildcard, a secret of 255 characters and unknown fields", async () => {
    const form = new URLSearchParams({ target_url: URL_1, event: "*", secret: "é".repeat(255), extra: "1" });
    const answer = await t.rest("POST", "/api/Webhook", {
      body: form.toString(),
      type: "application/x-www-form-urlencoded",
    });
    expect(answer.status).toBe(201);
  });

  test("accepts a body that is declared as UTF-8 and not compressed", async () => {
    const declared = { type: 'application/json;charset="utf-8"', encoding: "identity" };
    const json = { target_url: URL_1, event: "*" };
    const answer = await t.rest("POST", "/api/Webhook", { json, ...declared });
    expect(answer.status).toBe(201);
  });

  test("matches its path in any case and with a trailing slash", async () => {
    expect((await t.rest("POST", "/api/webhook/", { json: { target_url: URL_1, event: "*" } })).status).toBe(
      201,
    );
  });

  test("refuses a duplicate of account, URL and event until the first is deleted", async () => {
    const id = await subscribe();
    const again = await t.rest("POST", "/api/Webhook", {
      json: { target_url: "HTTPS://YOURSITE.com/yourpage", event: "contact_created" },
    });
    expect(again).toMatchObject({ status: 409, body: { field: "target_url" } });
    await subscribe(URL_1, "contact_updated");
    await t.rest("DELETE", `/api/Webhook/${id}`);
    await subscribe();
  });
});

describe("an invalid request is refused with a reason, and nothing is stored:", () => {
  const json = (target_url: unknown, event: unknown = "contact_created", secret?: unknown): RestOptions => ({
    json: { target_url, event, ...(secret === undefined ? {} : { secret }) },
  });
  test.each<[string, RestOptions, number, string | undefined, RegExp]>([
    ["an array as the body", { json: [] }, 400, undefined, /JSON object/],
    ["a text as the body", { json: "x" }, 400, undefined, /JSON object/],
    ["null as the body", { json: null }, 400, undefined, /JSON object/],
    ["no body", { type: "application/json" }, 400, undefined, /body is missing/],
    ["malformed JSON", { body: '{"target_url":' }, 400, undefined, /not valid JSON/],
    ["deeply nested JSON", { body: "[".repeat(200_000) }, 400, undefined, /not valid JSON/],
    [
      "a nested target_url",
      { body: `{"target_url":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}` },
      400,
      "target_url",
      /string/,
    ],
    ["bytes that are not UTF-8", { body: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, undefined, /UTF-8/],
    ["no target_url", { json: { event: "contact_created" } }, 400, "target_url", /missing/],
    ["no event", { json: { target_url: URL_1 } }, 400, "event", /missing/],
    ["a number as target_url", json(5), 400, "target_url", /string/],
    ["a relative target_url", json("/hook"), 400, "target_url", /absolute URL/],
    ["target_url for ftp", json("ftp://yoursite.com/"), 422, "target_url", /https: and http:/],
    ["target_url for javascript", json("javascript:alert(1)"), 422, "target_url", /https: and http:/],
    ["a private address", json("http://[::ffff:10.0.0.1]/"), 422, "target_url", /not on the public internet/],
    ["localhost", json("http://localhost:8080/"), 422, "target_url", /not on the public internet/],
    ["a cloud's address", json("http://168.63.129.16/"), 422, "target_url", /deliveries may not reach/],
    ["a port of another protocol", json("http://yoursite.com:25/"), 422, "target_url", /port 25/],
    ["credentials in target_url", json("https://me:pw@yoursite.com/"), 422, "target_url", /credentials/],
    ["a fragment in target_url", json(`${URL_1}#top`), 422, "target_url", /fragment/],
    [
      "a target_url of 2,049 characters",
      json(`https://yoursite.com/${"x".repeat(2028)}`),
      400,
      "target_url",
      /2048/,
    ],
    ["NUL in target_url", json("https://yoursite.com/\u0000"), 400, "target_url", /control character/],
    ["NUL in event", json(URL_1, "contact\u0000_created"), 400, "event", /not an event type/],
    ["an unknown event", json(URL_1, "contact_create"), 400, "event", /did you mean contact_created/],
    ["an empty event", json(URL_1, ""), 400, "event", /not an event type/],
    ["a secret of 300 characters", json(URL_1, "*", "x".repeat(300)), 400, "secret", /255 characters/],
    ["NUL in the secret", json(URL_1, "*", "a\u0000b"), 400, "secret", /control character/],
    [
      "half a surrogate pair in the secret",
      { body: `{"target_url":"${URL_1}","event":"*","secret":"\\ud800"}` },
      400,
      "secret",
      /Unicode/,
    ],
    ["a number as secret", json(URL_1, "*", 5), 400, "secret", /string/],
    ["a body over 1 MiB", json(URL_1, "*", "x".repeat(1_048_577)), 413, undefined, /over 1048576 bytes/],
    ["XML", { body: "<a/>", type: "application/xml" }, 415, undefined, /application\/json/],
    [
      "JSON declared as UTF-16",
      { ...json(URL_1), type: "application/json; charset=UTF-16" },
      415,
      undefined,
      /UTF-8/,
    ],
    [
      "a form declared as Latin-1",
      { body: "target_url=x", type: 'application/x-www-form-urlencoded; charset="iso-8859-1"' },
      415,
      undefined,
      /UTF-8/,
    ],
    ["a compressed body", { ...json(URL_1), encoding: "gzip" }, 415, undefined, /content-encoding/],
    [
      "a form with bytes that are not UTF-8",
      {
        body: "target_url=https://yoursite.com/%ff%fe&event=*",
        type: "application/x-www-form-urlencoded",
      },
      400,
      "target_url",
      /UTF-8/,
    ],
    [
      "a repeated field in a form",
      {
        body: "target_url=https://a.example/&target_url=https://b.example/&event=*",
        type: "application/x-www-form-urlencoded",
      },
      400,
      "target_url",
      /single string/,
    ],
    [
      "a form of 101 fields",
      {
        body: Array.from({ length: 101 }, (_, i) => `f${i}=1`).join("&"),
        type: "application/x-www-form-urlencoded",
      },
      400,
      undefined,
      /more than 100 fields/,
    ],
    ["an empty form", { body: "", type: "application/x-www-form-urlencoded" }, 400, "target_url", /missing/],
  ])("%s", async (_title, options, status, field, detail) => {
    const answer = await t.rest("POST", "/api/Webhook", options);
    expect(answer.body.detail).toMatch(detail);
    expect(answer.status).toBe(status);
    expect(answer.body.field).toBe(field);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(await t.stored()).toEqual({ subscriptions: 0, events: 0, deliveries: 0 });
  });
});

describe("GET and DELETE", () => {
  test("list every subscription without paging, a row for each event type, and never the secret", async () => {
    await t.client.subscriptions.createSubscription({
      targetUrl: URL_1,
      eventTypes: ["invoice_sent", "contact_created"],
      secret: "hush",
    });
    await subscribe("https://other.example/", "*");
    const { status, body } = await t.rest("GET", "/api/Webhook");
    expect(status).toBe(200);
    const row = { SubscriptionID: 1, NotificationURL: URL_1, UserIDFK: t.accountId };
    expect(body).toEqual({
      Webhooks: [
        { ...row, EventCode: "contact_created" },
        { ...row, EventCode: "invoice_sent" },
        {
          SubscriptionID: 2,
          EventCode: "*",
          NotificationURL: "https://other.example/",
          UserIDFK: t.accountId,
        },
      ],
    });
    expect((await t.rest("GET", "/api/Webhook/2")).body.Webhooks).toHaveLength(1);
  });

  test.each([25, 51])("list %i subscriptions, of which a read gets 25", async (count) => {
    for (let i = 0; i < count; i++) await subscribe(`https://site${i}.example/`);
    const { body } = await t.rest("GET", "/api/Webhook");
    const ids = body.Webhooks.map(({ SubscriptionID }: { SubscriptionID: number }) => SubscriptionID);
    expect(ids).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(await t.rest("HEAD", "/api/Webhook")).toMatchObject({ status: 200, body: "" });
  });

  test("list only as fast as the caller reads: what it has not taken is not in memory", async () => {
    const eventTypes = Array.from({ length: 40 }, (_, i) => `type_${i}`);
    const path = "x".repeat(1_900);
    for (let i = 0; i < 401; i++) {
      const targetUrl = `https://yoursite.com/${path}/${i}`;
      const options = { acceptance: "OK_ONLY", credential: null, timeoutMs: null, now: Date.now() } as const;
      await createSubscription(t.store, { accountId: t.accountId, targetUrl, eventTypes, ...options });
    }
    const request = get(`${t.url}/api/Webhook`, { headers: { authorization: `Bearer ${t.token}` } });
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    await endSubscription(t.store, { accountId: t.accountId, id: 401 as never, reason: "", now: Date.now() });
    const { Webhooks } = JSON.parse(await text(answer));
    expect(Webhooks).toHaveLength(400 * eventTypes.length);
  });

  test("deleting twice answers 200 twice; an unknown ID, or another account's, answers 404", async () => {
    const id = await subscribe();
    const other = await t.accountWith(["subscriptions:read", "subscriptions:write"]);
    for (const path of [`/api/Webhook/${id}`, "/api/Webhook/999"]) {
      expect((await t.rest("GET", path, { token: other.token })).status).toBe(404);
      expect((await t.rest("DELETE", path, { token: other.token })).status).toBe(404);
    }
    expect((await t.rest("GET", `/api/Webhook/${id}`)).status).toBe(200);
    expect(await t.rest("DELETE", `/api/Webhook/${id}`)).toMatchObject({ status: 200, body: {} });
    expect((await t.rest("DELETE", `/api/Webhook/${id}`)).status).toBe(200);
    expect((await t.rest("GET", `/api/Webhook/${id}`)).status).toBe(404);
  });

  test.each(["application/json", "text/plain", "application/x-www-form-urlencoded"])(
    "a DELETE says %s and has no body, as some tools send it",
    async (type) => {
      const id = await subscribe();
      expect(await t.rest("DELETE", `/api/Webhook/${id}`, { type })).toMatchObject({ status: 200, body: {} });
      expect((await t.rest("GET", `/api/Webhook/${id}`)).status).toBe(404);
    },
  );

  test("deleting by URL ends every subscription of the caller on that URL", async () => {
    await subscribe(URL_1, "contact_created");
    await subscribe(URL_1, "contact_updated");
    const remaining = await subscribe("https://other.example/");
    const byUrl = `/api/Webhook?target_url=${encodeURIComponent(URL_1)}`;
    expect((await t.rest("DELETE", byUrl)).status).toBe(200);
    expect((await t.rest("DELETE", byUrl)).status).toBe(200);
    const { body } = await t.rest("GET", "/api/Webhook");
    expect(body.Webhooks).toMatchObject([{ SubscriptionID: remaining }]);
    expect((await t.rest("DELETE", "/api/Webhook?target_url=https://never.example/")).status).toBe(404);
    for (const query of ["%C3%28", "https://never.example/%C3%28", "https://a.example/&x=%ff"]) {
      const { status, body } = await t.rest("DELETE", `/api/Webhook?target_url=${query}`);
      const detail = expect.stringContaining("UTF-8");
      expect({ status, body }, query).toMatchObject({
        status: 400,
        body: { detail, reason: "FIELD_INVALID" },
      });
    }
    expect(await t.rest("DELETE", "/api/Webhook")).toMatchObject({
      status: 400,
      body: { field: "target_url" },
    });
  });

  test.each(["abc", "0", "-1", "2147483648", "1.5"])("the ID %s is refused", async (id) => {
    expect(await t.rest("GET", `/api/Webhook/${id}`)).toMatchObject({ status: 400, body: { field: "id" } });
  });
});

describe("access", () => {
  test("without a valid token is answered 401 with WWW-Authenticate, before the body is read", async () => {
    for (const token of [null, "pht_wrong", "", "two words"]) {
      const answer = await t.rest("POST", "/api/Webhook", { body: "{", token });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  test("without the scope is answered 403, naming the scope", async () => {
    const token = await t.tokenWith(["subscriptions:read"]);
    expect((await t.rest("GET", "/api/Webhook", { token })).status).toBe(200);
    const answer = await t.rest("POST", "/api/Webhook", { json: { target_url: URL_1, event: "*" }, token });
    expect(answer).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining("subscriptions:write") },
    });
  });

  test("by other methods is answered 405 with Allow, and OPTIONS lists the same methods", async () => {
    for (const [method, path] of [
      ["PUT", "/api/Webhook"],
      ["PATCH", "/api/Webhook/1"],
      ["POST", "/api/Webhook/1"],
    ] as const) {
      const answer = await t.rest(method, path, { body: "x", type: "text/plain" });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("allow")).toContain("GET");
    }
    const allowed = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"];
    // CONNECT names no path. The body of an unknown method is not read.
    for (const method of METHODS.filter((method) => ![...allowed, "CONNECT"].includes(method))) {
      const sent = request(`${t.url}/api/Webhook`, {
        method,
        headers: { "content-type": "text/plain" },
      }).end();
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      answer.resume();
      expect([method, answer.statusCode, answer.headers.allow]).toEqual([method, 405, allowed.join(", ")]);
    }
    expect((await t.rest("OPTIONS", "/api/Webhook")).headers.get("allow")).toBe(
      "GET, HEAD, POST, DELETE, OPTIONS",
    );
  });
});

describe("documentation, problems and the log", () => {
  test("an OpenAPI 3.1 document lists every route, and a page renders it", async () => {
    const { status, body } = await t.rest("GET", "/api/openapi.json", { token: null });
    expect(status).toBe(200);
    expect(body.openapi).toBe("3.1.0");
    expect(Object.keys(body.paths).sort()).toEqual([
      "/.well-known/webhook-keys/{keySet}",
      "/api/Webhook",
      "/api/Webhook/{id}",
    ]);
    expect(Object.keys(body.paths["/api/Webhook"]).sort()).toEqual(["delete", "get", "post"]);
    const page = await t.rest("GET", "/api/docs/", { token: null });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).not.toContain("unsafe-inline'; script");
  });

  test.each<[string, string, RestOptions, number]>([
    ["an unknown path", "/api/nothing", {}, 404],
    ["a path that cannot be decoded", "/api/Webhook/%zz", {}, 400],
    ["a path with a part of 300 characters", `/api/Webhook/${"1".repeat(300)}`, {}, 414],
    ["an RPC with an unsupported media type", RPC, { body: "<a/>", type: "application/xml" }, 415],
  ])("%s is answered with a problem", async (_title, path, options, status) => {
    const answer = await t.rest(options.body === undefined ? "GET" : "POST", path, options);
    expect(answer).toMatchObject({ status, body: { type: "about:blank", status } });
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
  });

  test("one line is logged for each request, without token, secret or query", async () => {
    await t.rest("DELETE", "/api/Webhook?target_url=https://x.example/?key=hush");
    await t.rest("POST", "/api/Webhook", { json: { target_url: URL_1, event: "*", secret: "hush" } });
    const lines = t.logged("request.completed");
    expect(lines).toMatchObject([
      { route: "/api/Webhook", method: "DELETE", code: 404, accountId: t.accountId },
      { route: "/api/Webhook", method: "POST", code: 201 },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/hush|pht_/);
  });
});
