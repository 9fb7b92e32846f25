import { createServer, type Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { ErrorInfoSchema } from "@posthaste/contracts/error-details";
import { EventIngestService, IngestEventRequestSchema } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { refusedUrl } from "@posthaste/testkit";
import { afterEach, describe, expect, test } from "vitest";
import { createPosthasteClient, type PosthasteClientOptions } from "../src/index.ts";

let cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
});

/** Starts a real server with the test's routes, and returns its URL. */
async function serve(protocol: "connect" | "grpc", routes: (router: ConnectRouter) => void): Promise<string> {
  if (protocol === "connect") {
    const server = createServer(connectNodeAdapter({ routes }));
    cleanups.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return await listen(server);
  }
  const server = createHttp2Server(connectNodeAdapter({ routes }));
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return await listen(server);
}
async function listen(server: Server | Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}
function clientTo(baseUrl: string, options: Partial<PosthasteClientOptions> = {}) {
  const client = createPosthasteClient({ baseUrl, token: "pht_test", ...options });
  cleanups.push(() => client.close());
  return client;
}
const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (error: unknown) => Code[ConnectError.from(error).code],
  );

describe.each(["connect", "grpc"] as const)("a client over %s", (protocol) => {
  test("sends its token, and the same idempotency key in every retry of an event", async () => {
    const keys: string[] = [];
    const tokens = new Set<string | null>();
    const url = await serve(protocol, (router) =>
      router.rpc(EventIngestService.method.ingestEvent, (request, context) => {
        keys.push(request.idempotencyKey);
        tokens.add(context.requestHeader.get("authorization"));
        if (keys.length < 3) throw new ConnectError("unavailable", Code.Unavailable);
        return { eventId: "evt_1", deliveryCount: 1 };
      }),
    );
    const client = clientTo(url, { protocol });
    expect(await client.events.ingestEvent(event)).toMatchObject({ eventId: "evt_1" });
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(tokens).toEqual(new Set(["Bearer pht_test"]));
  });

  test("names the account in which its calls act, if it is told one", async () => {
    const seen: (string | null)[] = [];
    const url = await serve(protocol, (router) =>
      router.rpc(EventIngestService.method.ingestEvent, (_request, context) => {
        seen.push(context.requestHeader.get("posthaste-account"));
        return { eventId: "evt_1", deliveryCount: 1 };
      }),
    );
    await clientTo(url, { protocol }).events.ingestEvent(event);
    await clientTo(url, { protocol, account: 12 }).events.ingestEvent(event);
    expect(seen).toEqual([null, "12"]);
    expect(() => clientTo(url, { account: 1.5 })).toThrow("account is not an account's number");
  });

  test("adds a different key to each event of a batch, and keeps the caller's keys and message", async () => {
    const seen: string[] = [];
    const url = await serve(protocol, (router) =>
      router.rpc(EventIngestService.method.ingestEvents, (request) => {
        seen.push(...request.events.map(({ idempotencyKey }) => idempotencyKey));
        return {};
      }),
    );
    const mine = create(IngestEventRequestSchema, { ...event, idempotencyKey: "mine" });
    const without = create(IngestEventRequestSchema, event);
    await clientTo(url, { protocol }).events.ingestEvents({ events: [mine, without, without] });
    expect(seen[0]).toBe("mine");
    expect(new Set(seen).size).toBe(3);
    expect(without.idempotencyKey).toBe("");
  });

  test("gives up after `attemptsMax` requests with the server's error", async () => {
    let calls = 0;
    const url = await serve(protocol, (router) =>
      router.rpc(EventIngestService.method.ingestEvent, () => {
        calls += 1;
        const info = { reason: "SERVER_BUSY", domain: "posthaste", metadata: {} };
        throw new ConnectError("the database is unavailable", Code.Unavailable, undefined, [
          { desc: ErrorInfoSchema, value: info },
        ]);
      }),
    );
    const failing = clientTo(url, { protocol, attemptsMax: 2 }).events.ingestEvent(event);
    await expect(failing).rejects.toMatchObject({
      code: Code.Unavailable,
      rawMessage: "the database is unavailable",
    });
    expect(calls).toBe(2);
  });

  test("retries neither a refused call nor a method that is not repeatable", async () => {
    let calls = 0;
    const url = await serve(protocol, (router) => {
      router.rpc(EventIngestService.method.ingestEvent, () => {
        calls += 1;
        throw new ConnectError("no such event", Code.InvalidArgument);
      });
      router.rpc(SubscriptionService.method.createSubscription, () => {
        calls += 1;
        throw new ConnectError("unavailable", Code.Unavailable);
      });
    });
    const client = clientTo(url, { protocol });
    expect(await codeOf(client.events.ingestEvent(event))).toBe("InvalidArgument");
    expect(await codeOf(client.subscriptions.createSubscription({ targetUrl: "https://x.example/" }))).toBe(
      "Unavailable",
    );
    expect(calls).toBe(2);
  });

  test("a call to a server that never answers ends at the deadline, including retries", async () => {
    const url = await serve(protocol, (router) =>
      router.rpc(EventIngestService.method.ingestEvent, () => new Promise(() => {})),
    );
    const client = clientTo(url, { protocol, deadlineMs: 200 });
    expect(await codeOf(client.events.ingestEvent(event))).toBe("DeadlineExceeded");
  });

  test("a stream and a test event have longer deadlines, which a call can override", async () => {
    const left: (number | undefined)[] = [];
    const url = await serve(protocol, (router) => {
      router.rpc(SubscriptionService.method.sendTestEvent, (_request, context) => {
        left.push(context.timeoutMs());
        return {};
      });
      router.rpc(DeliveryService.method.watchDeliveries, async function* (_request, context) {
        left.push(context.timeoutMs());
        yield { cursor: "1.1" };
      });
    });
    const client = clientTo(url, { protocol });
    await client.subscriptions.sendTestEvent({ subscriptionId: 1 });
    for await (const { cursor } of client.deliveries.watchDeliveries({})) expect(cursor).toBe("1.1");
    await client.subscriptions.sendTestEvent({ subscriptionId: 1 }, { timeoutMs: 5_000 });
    const [test = 0, stream = 0, overridden = 0] = left;
    expect(test).toBeGreaterThan(15_000);
    expect(stream).toBeGreaterThan(10 * 60_000);
    expect(overridden).toBeLessThanOrEqual(5_000);
  });

  test("a refused connection fails with Unavailable", async () => {
    const url = new URL(await refusedUrl()).origin;
    const client = clientTo(url, { protocol, attemptsMax: 2 });
    expect(await codeOf(client.events.ingestEvent(event))).toBe("Unavailable");
  });
});

test.each([
  ["a base URL without a scheme", { baseUrl: "127.0.0.1:8080" }, /^baseUrl is not an http or https URL /],
  ["a base URL whose scheme is a host", { baseUrl: "localhost:8080" }, /^baseUrl is not /],
  ["an empty base URL", { baseUrl: "" }, /^baseUrl is not /],
  ["no base URL", { baseUrl: undefined }, /^baseUrl is not /],
  ["a base URL with a query", { baseUrl: "http://127.0.0.1:1/?a=1" }, /^baseUrl is not /],
  ["a user in its base URL", { baseUrl: "http://me@127.0.0.1:1" }, /^baseUrl has a user or a password, /],
  [
    "a password in its base URL",
    { baseUrl: "https://:secret@[::1]" },
    /^baseUrl has a user or a password, [^:]+: leave/,
  ],
  ["a misspelt option", { deadlinMs: 1 }, /^no option is called deadlinMs: the options are .*, deadlineMs, /],
  ["no token", { token: undefined }, /^token is missing: pass a token of Posthaste's, such as pht_…$/],
  ["an empty token", { token: "" }, /^token is empty: pass a token/],
  ["a blank token", { token: " \n" }, /^token is empty: pass a token/],
  ["a token with the header's word", { token: "Bearer pht_x" }, /^token begins with Bearer, which each /],
  ["a token with a line break", { token: "pht_x\n" }, /^token has white space or other characters /],
  ["a token with typographic quotes", { token: "“pht_x”" }, /^token has white space or other characters /],
  ["a token that is no text", { token: null }, /^token is not a text: pass a token/],
  ["an unknown protocol", { protocol: "rest" }, /^protocol is neither "connect" nor "grpc"$/],
  ["a deadline in the past", { deadlineMs: -1 }, /^deadlineMs is not a whole number of milliseconds from 1 /],
  ["a deadline of no number", { deadlineMs: "1000" }, /^deadlineMs is not /],
  ["a deadline that no timer can wait for", { deadlineMs: 2 ** 31 }, /^deadlineMs is not /],
  ["no attempt", { attemptsMax: 0 }, /^attemptsMax is not a whole number from 1 on; 1 turns retries off$/],
  ["half an attempt", { attemptsMax: 1.5 }, /^attemptsMax is not /],
])("a client with %s is not created, and the error names the option", (_what, wrong, words) => {
  const options = { baseUrl: "http://127.0.0.1:1", token: "pht_test", ...wrong } as PosthasteClientOptions;
  const create = () => createPosthasteClient(options);
  expect(create).toThrow(TypeError);
  expect(create).toThrow(words);
});

test.each([undefined, null, "http://127.0.0.1:1"])(
  "a client without options is not created (%s)",
  (options) => {
    const create = () => createPosthasteClient(options as unknown as PosthasteClientOptions);
    expect(create).toThrow(new TypeError("there are no options: pass at least { baseUrl, token }"));
  },
);

describe("an error that comes of a wrong base URL names it:", () => {
  const serveOther = async () => {
    const server = createServer((request, response) => {
      response.statusCode = Number(/^\/prefix-(\d+)/.exec(request.url ?? "")?.[1] ?? 200);
      const isJson = request.url?.includes("/json") === true;
      response.setHeader("content-type", isJson ? "application/json" : "text/html");
      response.end(isJson ? '{"error":"Not found"}' : "hello");
    });
    cleanups.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return await listen(server);
  };
  test.each([
    ["another server's", "connect", (url: string) => url],
    ["another path than Posthaste's", "connect", (url: string) => `${url}/prefix-404`],
    ["a server's that asks for a password", "connect", (url: string) => `${url}/prefix-401`],
    ["another server's whose errors are in JSON", "connect", (url: string) => `${url}/prefix-404/json`],
    ["another server's that fails in JSON", "connect", (url: string) => `${url}/prefix-500/json`],
    ["another server's that forbids in JSON", "connect", (url: string) => `${url}/prefix-403/json`],
    ["a server's that fails at such calls", "connect", (url: string) => `${url}/prefix-500`],
    ["https to a port without TLS", "connect", (url: string) => url.replace("http:", "https:")],
    ["https to a port without TLS, over gRPC", "grpc", (url: string) => url.replace("http:", "https:")],
  ] as const)("%s", async (_what, protocol, change) => {
    const baseUrl = change(await serveOther());
    const client = clientTo(baseUrl, { protocol, attemptsMax: 1 });
    await expect(client.events.ingestEvent(event)).rejects.toThrow(`check baseUrl: ${baseUrl}`);
    const watch = async () => {
      for await (const _ of client.deliveries.watchDeliveries({})) break;
    };
    await expect(watch()).rejects.toThrow(`check baseUrl: ${baseUrl}`);
  });

  test.each([502, 503, 504])("but not an answer %s of a proxy whose server is away", async (status) => {
    for (const path of [`prefix-${status}`, `prefix-${status}/json`]) {
      const client = clientTo(`${await serveOther()}/${path}`, { attemptsMax: 1 });
      const call = client.events.ingestEvent(event);
      await expect(call).rejects.toThrow(/not Posthaste's API, but a server in front of it at .* answered$/);
    }
  });

  test("but not an answer that refuses the headers of a call", async () => {
    const client = clientTo(`${await serveOther()}/prefix-431`, { attemptsMax: 1 });
    const call = client.events.ingestEvent(event);
    await expect(call).rejects.toThrow(
      /HTTP 431; the call has more than 100 headers, or over 16 KiB of them$/,
    );
  });

  test("a server of gRPC without Posthaste's services", async () => {
    // The answer of servers that are written in Go.
    const message = "unknown service posthaste.v1.EventIngestService";
    const answer = { "content-type": "application/grpc", "grpc-status": "12", "grpc-message": message };
    const server = createHttp2Server((_request, response) => response.writeHead(200, answer).end());
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const baseUrl = await listen(server);
    const client = clientTo(baseUrl, { protocol: "grpc", attemptsMax: 1 });
    await expect(client.events.ingestEvent(event)).rejects.toThrow(`check baseUrl: ${baseUrl}`);
    await client.close();
  });
});
