import { once } from "node:events";
import { connect } from "node:http2";
import { Code } from "@connectrpc/connect";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
let inboxId: string;
beforeAll(async () => {
  t = await startBench();
  const { inbox } = await t.client.inboxes.createInbox({});
  inboxId = inbox?.id ?? "";
});
afterAll(() => t.dispose());

/** Every stream that needs a token, with an answer that comes at once. */
const STREAMS: [name: string, open: (client: PosthasteClient) => AsyncIterable<unknown>][] = [
  ["WatchDeliveries", (client) => client.deliveries.watchDeliveries({})],
  ["WatchInbox", (client) => client.inboxes.watchInbox({ inboxId })],
];

describe.each(STREAMS)("an open stream of %s", (_name, open) => {
  /** Opens the stream with a token of its own, and ends that token. */
  async function endTheToken(how: { revoked_at: number } | { expires_at: number }): Promise<void> {
    const token = await t.tokenWith(["deliveries:read", "subscriptions:read"]);
    const client = createPosthasteClient({ baseUrl: t.url, token });
    try {
      const stream = open(client)[Symbol.asyncIterator]();
      await stream.next();
      const newest = t.store.db.selectFrom("tokens").select((eb) => eb.fn.max("id").as("id"));
      const { id } = await newest.executeTakeFirstOrThrow();
      await t.store.db.updateTable("tokens").set(how).where("id", "=", id).execute();
      // Not at the next heartbeat, 15 s later.
      await stream.next();
    } finally {
      await client.close();
    }
  }

  test.each([
    ["revoked", () => ({ revoked_at: Date.now() })],
    ["expired", () => ({ expires_at: Date.now() })],
  ])("ends soon after its token is %s", async (_what, how) => {
    await expect(endTheToken(how())).rejects.toMatchObject({
      code: Code.Unauthenticated,
      rawMessage: expect.stringContaining("revoked"),
    });
  });
});

/** The streams that go on until their callers leave, with the request's message. */
const ENDLESS: [method: string, message: () => object][] = [
  ["posthaste.v1.DeliveryService/WatchDeliveries", () => ({})],
  ["posthaste.v1.InboxService/WatchInbox", () => ({ inboxId })],
  ["grpc.health.v1.Health/Watch", () => ({})],
];

describe.each(ENDLESS)("%s tells its caller that the deadline has passed", (method, message) => {
  const enveloped = () => {
    const json = Buffer.from(JSON.stringify(message()));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(json.length, 1);
    return Buffer.concat([head, json]);
  };
  const post = async (type: string, deadline: Record<string, string>) => {
    const response = await fetch(`${t.url}/${method}`, {
      method: "POST",
      headers: { "content-type": type, authorization: `Bearer ${t.token}`, ...deadline },
      body: enveloped(),
    });
    return await response.text();
  };

  test("over Connect", async () => {
    expect(await post("application/connect+json", { "connect-timeout-ms": "300" })).toContain(
      '"code":"deadline_exceeded"',
    );
  });

  test("over gRPC-Web", async () => {
    expect(await post("application/grpc-web+json", { "grpc-timeout": "300m" })).toContain("grpc-status: 4");
  });

  test("over gRPC", async () => {
    const session = connect(t.url);
    try {
      const stream = session.request({
        ":method": "POST",
        ":path": `/${method}`,
        "content-type": "application/grpc+json",
        te: "trailers",
        authorization: `Bearer ${t.token}`,
        "grpc-timeout": "300m",
      });
      stream.resume().end(enveloped());
      const [trailers] = await once(stream, "trailers");
      expect(trailers).toMatchObject({ "grpc-status": "4" });
    } finally {
      session.destroy();
    }
  });
});
