import { setTimeout as sleep } from "node:timers/promises";
import { enveloped } from "@posthaste/testkit/http2-frames";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
const warned: string[] = [];
const note = ({ name }: Error) => warned.push(name);
beforeAll(async () => {
  t = await startBench();
  process.on("warning", note);
});
afterAll(async () => {
  process.off("warning", note);
  await t.dispose();
});

/** Deadlines around the longest delay of a timer, and deadlines that callers send to mean none. */
test.each([
  ["connect-timeout-ms", "2147483647"],
  ["connect-timeout-ms", "2147483648"],
  ["connect-timeout-ms", "9999999999"],
  ["grpc-timeout", "2147483S"],
  ["grpc-timeout", "2147484S"],
  ["grpc-timeout", "35792M"],
  ["grpc-timeout", "99999999H"],
])("a far deadline does not end a call: %s: %s", async (name, value) => {
  const grpc = name === "grpc-timeout";
  warned.length = 0;
  const response = await fetch(`${t.url}/posthaste.v1.EventCatalogService/ListEventTypes`, {
    method: "POST",
    headers: {
      "content-type": grpc ? "application/grpc-web+json" : "application/json",
      authorization: `Bearer ${t.token}`,
      [name]: value,
    },
    body: grpc ? Buffer.from([0, 0, 0, 0, 2, ...Buffer.from("{}")]) : "{}",
  });
  const text = await response.text();
  if (grpc) expect(text).toContain("grpc-status: 0");
  else expect(response.status).toBe(200);
  expect(warned).toEqual([]);
});

describe("a far deadline of Connect does not end", () => {
  const post = (method: string, type: string, body: string | Uint8Array) =>
    fetch(`${t.url}/posthaste.v1.${method}`, {
      method: "POST",
      headers: {
        "content-type": type,
        authorization: `Bearer ${t.token}`,
        "connect-timeout-ms": "2147483648",
      },
      body: body as string,
    });

  test("a stream, which would say that everything was sent", async () => {
    const { body } = await post(
      "DeliveryService/WatchDeliveries",
      "application/connect+json",
      enveloped("{}"),
    );
    const reader = body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    // The stream polls every 250 ms; its next message comes after 15 s.
    const next = await Promise.race([reader?.read(), sleep(300)]);
    expect(next).toBeUndefined();
    await reader?.cancel();
  });

  test("a test event's call, before its attempt", async () => {
    const { body } = await t.rest("POST", "/api/Webhook", {
      json: { target_url: "https://yoursite.example/hook", event: "*" },
    });
    const startedAt = performance.now();
    const message = JSON.stringify({ subscriptionId: body.id });
    const { status } = await post("SubscriptionService/SendTestEvent", "application/json", message);
    expect(status).toBe(200);
    // No worker sends it, so the call waits for as long as it may.
    expect(performance.now() - startedAt).toBeGreaterThan(150);
  });
});

describe("a malformed deadline is refused, and its header is named:", () => {
  const call = (headers: Record<string, string>) =>
    fetch(`${t.url}/posthaste.v1.EventCatalogService/ListEventTypes`, {
      method: "POST",
      headers: { authorization: `Bearer ${t.token}`, ...headers },
      body: headers["content-type"] === "application/json" ? "{}" : enveloped("{}"),
    });

  test.each(["soon", "-1"])("connect-timeout-ms of %s", async (value) => {
    const response = await call({ "content-type": "application/json", "connect-timeout-ms": value });
    const description = "takes a whole number of milliseconds with at most 10 digits";
    const body = (await response.json()) as { message: string; details: { debug: object }[] };
    expect([response.status, body.message]).toEqual([
      400,
      `the header connect-timeout-ms ${description}, not "${value}"`,
    ]);
    expect(body.details.map(({ debug }) => debug)).toEqual([
      expect.objectContaining({ reason: "FIELD_INVALID" }),
      expect.objectContaining({
        fieldViolations: [expect.objectContaining({ field: "connect-timeout-ms", description })],
      }),
    ]);
  });

  test("grpc-timeout", async () => {
    const response = await call({ "content-type": "application/grpc-web+json", "grpc-timeout": "5x" });
    const trailer = decodeURIComponent(await response.text());
    expect(trailer).toMatch(/grpc-message: the header grpc-timeout takes .*, such as "20S", not "5x"/);
  });
});
