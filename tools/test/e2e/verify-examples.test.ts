import { createHmac } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { sign } from "@posthaste/signature";
import { type Child, type Stack, startStack } from "@posthaste/stack";
import { freePort, until } from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ROOT } from "../../src/repository/files.ts";
import { ALWAYS_RUN, createExample, EXAMPLES, type Example, whyNotRunnable } from "./example-receivers.ts";

/*
 * Runs each receiver of examples/verify against a real stack, as the console shows it. One whose runtime is
 * not installed is named and has no tests, since a skipped test fails the suite.
 */

const reasons = await Promise.all(EXAMPLES.map(whyNotRunnable));
const runnable = EXAMPLES.filter(
  ({ language }, i) => reasons[i] === undefined || ALWAYS_RUN.includes(language),
);
for (const [i, example] of EXAMPLES.entries()) {
  if (!runnable.includes(example)) console.log(`not run: the receiver in ${example.language} ${reasons[i]}`);
}

/** The largest body that Posthaste sends: a snapshot of 1 MiB between [ and ]. */
const BODY_BYTES_MAX = 1_048_578;
const MINUTE_SECONDS = 60;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const nowSeconds = () => Math.floor(Date.now() / 1_000);
const SNAPSHOT = String.raw`{"InvoiceNumber":"INV-7","Notes":"Zoë 🚀 \"quoted\""}`;

type Running = { readonly child: Child; readonly url: string; readonly id: number; readonly secret: string };

let stack: Stack;
const running = new Map<Example, Running>();
beforeAll(async () => {
  stack = await startStack();
  await Promise.all(runnable.map(async (example) => running.set(example, await start(example))));
});
afterAll(async () => {
  await Promise.all([...running.values()].map(({ child }) => child.kill()));
  await stack?.dispose();
});

/** Subscribes a receiver that does not run yet, and starts it with the secret of its subscription. */
async function start(example: Example): Promise<Running> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/hooks`;
  const { subscription, signingKey } = await stack.client.subscriptions.createSubscription({
    targetUrl: url,
    eventTypes: ["invoice_sent"],
  });
  const secret = signingKey?.secret ?? "";
  const child = await createExample(example, { dir: folderOf(example), port, secret });
  await child.start();
  return { child, url, id: subscription?.id ?? 0, secret };
}

function folderOf({ language }: Example): string {
  const dir = join(stack.dir, `receiver-${language}`);
  mkdirSync(dir, { recursive: true });
  return dir;
}

type Webhook = {
  readonly body?: string;
  /** Default: the subscription's. */
  readonly signedWith?: string;
  readonly ageSeconds?: number;
  /** Replaces headers; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Sent instead of the body that was signed. */
  readonly sentBody?: string;
};

/** Posts a webhook that is valid but for what is given. Returns the status; undefined if there is none. */
async function post({ url, secret }: Pick<Running, "url" | "secret">, webhook: Webhook = {}) {
  const { body = '[{"a":1}]', signedWith = secret, ageSeconds = 0, headers = {}, sentBody = body } = webhook;
  const timestamp = nowSeconds() - ageSeconds;
  const signature = await sign({ id: "evt_1", timestamp, body }, [signedWith]);
  const all = {
    "content-type": "application/json",
    "webhook-id": "evt_1",
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signature,
    ...headers,
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const request = { method: "POST", body: sentBody, headers: given };
  return await fetch(url, request).then(
    ({ status }) => status,
    () => undefined,
  );
}

test("every folder of examples/verify has a row", () => {
  const folders = readdirSync(join(ROOT, "examples/verify"));
  expect(EXAMPLES.map(({ file }) => dirname(file)).sort()).toEqual(folders.sort());
});

describe.each(runnable)("the receiver in $language", (example) => {
  let receiver: Running;
  beforeAll(() => {
    receiver = running.get(example) as Running;
  });

  test("accepts an event at the first attempt, and takes its item", async () => {
    const { eventId } = await stack.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: SNAPSHOT },
    });
    await vi.waitFor(async () => {
      const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId });
      const delivery = deliveries.find(({ subscriptionId }) => subscriptionId === receiver.id);
      expect(delivery).toMatchObject({ state: DeliveryState.SUCCEEDED, attempts: 1 });
    }, 30_000);
    const line = receiver.child
      .log()
      .split("\n")
      .find((text) => text.includes(`${eventId} invoice_sent {`));
    expect(JSON.parse(line?.slice(line.indexOf("{")) ?? "")).toEqual(JSON.parse(SNAPSHOT));
  });

  test("accepts a delivery while its secret is being rotated", async () => {
    const { id } = receiver;
    await stack.client.subscriptions.rotateSecret({ id });
    const { attempt } = await stack.client.subscriptions.sendTestEvent({ subscriptionId: id });
    expect(attempt?.requestHeaders.find(({ name }) => name === "webhook-signature")?.value).toMatch(
      /^v1,\S+ v1a,\S+ v1,\S+ v1a,\S+$/,
    );
    expect(attempt?.outcome).toBe(Outcome.ACCEPTED);
  });

  test("accepts the largest body, and none that is larger", async () => {
    const bodyOf = (bytes: number) => `["${"x".repeat(bytes - 4)}"]`;
    expect(await post(receiver, { body: bodyOf(BODY_BYTES_MAX) })).toBe(200);
    expect(await post(receiver, { body: bodyOf(BODY_BYTES_MAX + 1) })).not.toBe(200);
    expect(await post(receiver)).toBe(200);
  });

  test.each<[string, Webhook]>([
    ["another secret's signature", { signedWith: OTHER_SECRET }],
    ["a changed body", { sentBody: '[{"a":2}]' }],
    ["a timestamp of six minutes ago", { ageSeconds: 6 * MINUTE_SECONDS }],
    ["a timestamp six minutes ahead", { ageSeconds: -6 * MINUTE_SECONDS }],
    ["another timestamp than was signed", { headers: { "webhook-timestamp": `${nowSeconds() - 60}` } }],
    ["a timestamp that is no number", { headers: { "webhook-timestamp": "now" } }],
    ["a timestamp far beyond any clock", { headers: { "webhook-timestamp": "9".repeat(400) } }],
    ["another id than was signed", { headers: { "webhook-id": "evt_2" } }],
    ["no id", { headers: { "webhook-id": undefined } }],
    ["no timestamp", { headers: { "webhook-timestamp": undefined } }],
    ["no signature", { headers: { "webhook-signature": undefined } }],
    ["an empty signature", { headers: { "webhook-signature": "v1," } }],
    ["a signature that is not in ASCII", { headers: { "webhook-signature": "v1,\u00e9" } }],
  ])("refuses %s", async (_what, webhook) => {
    expect(await post(receiver, webhook)).toBe(400);
  });

  test("accepts nothing if it is started without a secret", async () => {
    const dir = folderOf(example);
    const port = await freePort();
    const child = await createExample(example, { dir, port, secret: undefined });
    try {
      await child.launch();
      await until(async () => !child.running() || (await child.isReady()), { withinMs: 60_000 });
      // A receiver that went on with an empty key would accept what anybody can sign.
      const timestamp = String(nowSeconds());
      const mac = createHmac("sha256", "").update(`evt_1.${timestamp}.[{"a":1}]`).digest("base64");
      const headers = { "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
      const url = `http://127.0.0.1:${port}/hooks`;
      expect(await post({ url, secret: OTHER_SECRET }, { headers })).not.toBe(200);
    } finally {
      await child.kill();
    }
  });
});
