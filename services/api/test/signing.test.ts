import { createPublicKey } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { closeStore, openStore, parseSealingKeys, rotateSigningKey } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const DAY_S = 86_400;
const create = async () => {
  const { subscription, signingKey } = await t.client.subscriptions.createSubscription({
    targetUrl: "https://yoursite.example/hook",
    eventTypes: ["invoice_sent"],
  });
  return { id: subscription?.id ?? 0, path: subscription?.publicKeysPath ?? "", signingKey };
};

describe("signing keys through the typed API", () => {
  test("are shown at creation, and later to tokens with the scope subscriptions:write", async () => {
    const { id, signingKey } = await create();
    expect(signingKey).toMatchObject({
      secret: expect.stringMatching(/^whsec_/),
      publicKey: expect.stringMatching(/^whpk_/),
    });
    expect(signingKey?.expiresAt).toBeUndefined();
    const { signingKeys } = await t.client.subscriptions.listSigningKeys({ id });
    expect(signingKeys).toEqual([signingKey]);
    const reader = await t.tokenWith(["subscriptions:read"]);
    expect(await t.rpc("SubscriptionService/ListSigningKeys", { id }, { token: reader })).toMatchObject({
      status: 403,
    });
  });

  test("appear in no other answer", async () => {
    const { id, signingKey } = await create();
    const answers = [
      await t.rpc("SubscriptionService/GetSubscription", { id }),
      await t.rpc("SubscriptionService/ListSubscriptions", {}),
      await t.rpc("SubscriptionService/UpdateSubscription", { id, secret: "hush" }),
      await t.rest("GET", `/api/Webhook/${id}`),
      await t.rest("GET", "/api/Webhook"),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain(signingKey?.secret.slice(6));
    }
  });

  test("are unavailable, not a fault, at a server that lacks the key which sealed them", async () => {
    const { id } = await create();
    const secretKeys = parseSealingKeys(`next:${Buffer.alloc(32, 9).toString("base64")}`);
    const ahead = await openStore({ url: t.databaseUrl, secretKeys });
    await rotateSigningKey(ahead, { accountId: t.accountId, id: id as never, overlapMs: 0, now: Date.now() });
    await closeStore(ahead);
    expect(await t.rpc("SubscriptionService/ListSigningKeys", { id })).toMatchObject({
      status: 503,
      body: { code: "unavailable", message: expect.stringContaining("lacks a key") },
    });
    expect(t.logged("request.faulted")).toHaveLength(1);
  });

  test("overlap after a rotation for a day, or for the given time", async () => {
    const { id, signingKey: first } = await create();
    const before = Date.now() / 1000;
    const { signingKey: second } = await t.client.subscriptions.rotateSecret({ id });
    const { signingKeys } = await t.client.subscriptions.listSigningKeys({ id });
    expect(signingKeys.map((key) => key.secret)).toEqual([second?.secret, first?.secret]);
    const overlap = Number(signingKeys[1]?.expiresAt?.seconds) - before;
    expect(Math.abs(overlap - DAY_S)).toBeLessThan(60);
    const { signingKey: third } = await t.client.subscriptions.rotateSecret({ id, overlap: { seconds: 0n } });
    expect((await t.client.subscriptions.listSigningKeys({ id })).signingKeys).toEqual([third]);
  });

  test.each([
    ["-1s", "overlap"],
    ["604801s", "overlap"],
  ])("an overlap of %s is refused", async (overlap, field) => {
    const { id } = await create();
    const { status, body } = await t.rpc("SubscriptionService/RotateSecret", { id, overlap });
    expect(status).toBe(400);
    expect(body.message).toContain(field);
  });

  test("a fourth key is refused while three are live, and the answer says until when", async () => {
    const { id } = await create();
    await t.client.subscriptions.rotateSecret({ id });
    await t.client.subscriptions.rotateSecret({ id });
    await expect(t.client.subscriptions.rotateSecret({ id })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
      rawMessage: expect.stringMatching(
        /3 secrets are live; wait until \d{4}-.* or rotate with an overlap of 0/,
      ),
    });
  });

  test("of an unknown or an ended subscription cannot be rotated", async () => {
    const { id } = await create();
    await expect(t.client.subscriptions.rotateSecret({ id: 99 })).rejects.toMatchObject({
      code: Code.NotFound,
    });
    await t.client.subscriptions.deleteSubscription({ id });
    await expect(t.client.subscriptions.rotateSecret({ id })).rejects.toMatchObject({
      code: Code.FailedPrecondition,
    });
    expect((await t.client.subscriptions.listSigningKeys({ id })).signingKeys).toEqual([]);
  });
});

describe("public keys", () => {
  test("need no token, may be cached for five minutes, and follow RFC 8037 and Standard Webhooks", async () => {
    const { id, path } = await create();
    await t.client.subscriptions.rotateSecret({ id });
    const { status, headers, body } = await t.rest("GET", path, { token: null });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("application/jwk-set+json");
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    expect(body.keys).toMatchObject([
      { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig" },
      { kty: "OKP", crv: "Ed25519", exp: expect.any(Number) },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/whs[ek]c?_|"d"/);

    const { signingKeys } = await t.client.subscriptions.listSigningKeys({ id });
    expect(body.keys.map((key: { whpk: string }) => key.whpk)).toEqual(
      signingKeys.map((key) => key.publicKey),
    );
    for (const key of body.keys) {
      const { x } = createPublicKey({ key, format: "jwk" }).export({ format: "jwk" });
      expect(key.whpk).toBe(`whpk_${Buffer.from(x ?? "", "base64url").toString("base64")}`);
    }
  });

  test("of an unknown or an ended subscription are not found", async () => {
    const { id, path } = await create();
    for (const unknown of [
      "/.well-known/webhook-keys/1",
      `${path}x`,
      `/.well-known/webhook-keys/${"a".repeat(90)}`,
    ]) {
      expect(await t.rest("GET", unknown, { token: null })).toMatchObject({ status: 404 });
    }
    await t.client.subscriptions.deleteSubscription({ id });
    expect(await t.rest("GET", path, { token: null })).toMatchObject({ status: 404 });
  });
});
