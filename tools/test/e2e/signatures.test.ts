import { createPublicKey, type JsonWebKey, verify as verifyByNode } from "node:crypto";
import { verify } from "@posthaste/signature";
import { type Stack, startStack } from "@posthaste/stack";
import { type ReceivedRequest, type Receiver, startReceiver } from "@posthaste/testkit";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test } from "vitest";

let stack: Stack;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
  stack = await startStack();
});
afterEach(async () => {
  await stack.dispose();
  await receiver.stop();
});

/** Subscribes, and returns what an external developer gets. */
async function subscribe(): Promise<{ ID: number; signing_secret: string; public_keys: string }> {
  const response = await fetch(`${stack.apiUrl}/api/Webhook`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.token}`, "content-type": "application/json" },
    body: JSON.stringify({ target_url: receiver.url, event: "invoice_sent" }),
  });
  return (await response.json()) as { ID: number; signing_secret: string; public_keys: string };
}

async function deliver(json: string, n: number): Promise<ReceivedRequest> {
  await stack.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: json },
  });
  const request = (await receiver.waitFor(n, { timeoutMs: 30_000 })).at(-1);
  if (request === undefined) throw new Error("no request");
  return request;
}

/** Verifies with the specification's own JavaScript library, which shares no code with Posthaste. */
const verifiedByOthers = (secret: string, { body, headers }: ReceivedRequest) =>
  new Webhook(secret).verify(body.toString(), { ...headers });

test("an independent library, the package and the public keys verify deliveries before and after a rotation", async () => {
  const { ID: id, signing_secret: first, public_keys: path } = await subscribe();
  const json = String.raw`{ "InvoiceNumber":"INV-1", "TotalAmount" : 1.10,"Notes":"\u00e9🚀" }`;
  const request = await deliver(json, 1);
  expect(verifiedByOthers(first, request)).toEqual([JSON.parse(json)]);
  expect(await verify({ headers: request.headers, body: request.body }, [first])).toMatchObject({
    id: request.headers["webhook-id"],
  });
  const changed = { ...request, body: Buffer.from(request.body.toString().replace("INV-1", "INV-2")) };
  expect(() => verifiedByOthers(first, changed)).toThrow();

  const { signingKey } = await stack.client.subscriptions.rotateSecret({ id });
  const second = signingKey?.secret ?? "";
  const both = await deliver('{"InvoiceNumber":"INV-3"}', 2);
  for (const secret of [first, second]) {
    expect(verifiedByOthers(secret, both)).toEqual([{ InvoiceNumber: "INV-3" }]);
  }
  const { keys } = (await (await fetch(`${stack.apiUrl}${path}`)).json()) as { keys: JsonWebKey[] };
  expect(keys).toHaveLength(2);
  const signatures = (both.headers["webhook-signature"] ?? "").split(" ");
  expect(signatures.map((signature) => signature.split(",")[0])).toEqual(["v1", "v1a", "v1", "v1a"]);
  const content = Buffer.concat([
    Buffer.from(`${both.headers["webhook-id"]}.${both.headers["webhook-timestamp"]}.`),
    both.body,
  ]);
  for (const key of keys) {
    const verified = signatures
      .filter((signature) => signature.startsWith("v1a,"))
      .map((signature) => Buffer.from(signature.slice("v1a,".length), "base64"))
      .filter((raw) => verifyByNode(null, content, createPublicKey({ key: { ...key }, format: "jwk" }), raw));
    expect(verified).toHaveLength(1);
  }

  await stack.client.subscriptions.rotateSecret({ id, overlap: { seconds: 0n } });
  const last = await deliver('{"InvoiceNumber":"INV-4"}', 3);
  for (const secret of [first, second]) expect(() => verifiedByOthers(secret, last)).toThrow();
}, 120_000);
