import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const PAGE = "https://page.example";
const OTHER = "https://other.example";
let t: Bench;
afterEach(() => t.dispose());

const ask = (method: string, path: string, headers: Record<string, string>) =>
  fetch(`${t.url}${path}`, { method, headers });
const preflight = (path: string, origin: string, method = "POST") =>
  ask("OPTIONS", path, {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,content-type,connect-protocol-version",
  });
const RPC = "/posthaste.v1.EventCatalogService/ListEventTypes";

describe("a page of an origin that the operator lists", () => {
  test.each([RPC, "/api/Webhook", "/api/Webhook/1"])(
    "may call %s, and reads what it is answered",
    async (path) => {
      t = await startBench({ corsOrigins: [PAGE] });
      const { status, headers } = await preflight(path, PAGE);
      expect(status).toBe(204);
      expect(headers.get("access-control-allow-origin")).toBe(PAGE);
      expect(headers.get("access-control-allow-methods")).toBe("GET, POST, DELETE");
      for (const name of ["authorization", "content-type", "connect-protocol-version", "posthaste-account"])
        expect(headers.get("access-control-allow-headers")).toContain(name);
      expect(headers.get("access-control-max-age")).toBe("7200");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      // Refusals, too.
      const refused = await ask("GET", path, { origin: PAGE });
      expect(refused.status).toBeGreaterThanOrEqual(400);
      expect(refused.headers.get("access-control-allow-origin")).toBe(PAGE);
      expect(refused.headers.get("access-control-expose-headers")).toContain("retry-after");
      expect(refused.headers.get("vary")).toMatch(/origin/i);
    },
  );

  test("reads why it is refused while every place is taken", async () => {
    t = await startBench({ corsOrigins: [PAGE], limits: { publicRequestsMax: 0 } });
    const { status, headers } = await ask("GET", "/api/openapi.json", { origin: PAGE });
    expect(status).toBe(503);
    expect(headers.get("access-control-allow-origin")).toBe(PAGE);
  });

  test("calls an RPC as the client for browsers does", async () => {
    t = await startBench({ corsOrigins: [PAGE] });
    const transport = createConnectTransport({ baseUrl: t.url });
    const headers = { authorization: `Bearer ${t.token}`, origin: PAGE };
    const { eventTypes } = await createClient(EventCatalogService, transport).listEventTypes({}, { headers });
    expect(eventTypes.length).toBeGreaterThan(10);
  });
});

test("a page of another origin gets no permission, and a program is served as ever", async () => {
  t = await startBench({ corsOrigins: [PAGE] });
  for (const origin of [OTHER, "null", "http://page.example", `${PAGE}.evil.example`]) {
    expect((await preflight(RPC, origin)).headers.get("access-control-allow-origin")).toBeNull();
    const got = await ask("GET", "/api/openapi.json", { origin });
    expect(got.headers.get("access-control-allow-origin")).toBeNull();
  }
  expect(await t.rest("GET", "/api/Webhook")).toMatchObject({ status: 200 });
});

test("an OPTIONS that is no preflight is answered with the methods of its path", async () => {
  t = await startBench({ corsOrigins: [PAGE] });
  const { status, headers } = await ask("OPTIONS", "/api/Webhook", {});
  expect([status, headers.get("allow")]).toEqual([204, "GET, HEAD, POST, DELETE, OPTIONS"]);
  expect((await ask("OPTIONS", "/nowhere", {})).status).toBe(404);
});

test("without listed origins, no page gets permission", async () => {
  t = await startBench();
  const { status, headers } = await preflight("/api/Webhook", PAGE);
  expect([status, headers.get("access-control-allow-origin")]).toEqual([204, null]);
  expect((await ask("GET", RPC, { origin: PAGE })).headers.get("access-control-allow-origin")).toBeNull();
});
