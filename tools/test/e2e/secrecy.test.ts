import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { connectTemporal } from "@posthaste/delivery/client";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, refusedUrl, startReceiver, TEST_SECRET_KEYS } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

const PATIENCE = { timeout: 60_000, interval: 50 };
/** Long, because an attempt whose result cannot be written becomes a fault only after 25 s. */
const TEST_WITHIN_MS = 120_000;
const PAYLOAD = "payload-canary-4f1c";
const QUERY = "query-canary-77ab";
const CREDENTIAL = "credential-canary-09de";
const HEADER = "header-canary-5d21";
const FALSE_TOKEN = "pht_false-token-canary-31";
const EVENT = { event: "invoice_sent" };

let stack: Stack;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
  stack = await startStack({ env: { POSTHASTE_LOG_LEVEL: "debug" } });
});
afterEach(async () => {
  await stack.dispose();
  await receiver.stop();
});

const rest = async (method: string, path: string, body?: string, token = stack.token) => {
  const response = await fetch(`${stack.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, text: await response.text() };
};
const subscribe = async (targetUrl: string) => {
  const { status, text } = await rest(
    "POST",
    "/api/Webhook",
    JSON.stringify({ target_url: `${targetUrl}?key=${QUERY}`, secret: CREDENTIAL, ...EVENT }),
  );
  expect(status).toBe(201);
  return JSON.parse(text) as { ID: number; signing_secret: string };
};
const ingest = () =>
  stack.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: JSON.stringify({ Notes: PAYLOAD }) },
  });

/** Runs a function while a table is missing, which causes the database's own error texts. */
async function without(table: string, run: () => Promise<void>): Promise<void> {
  await stack.store.db.schema.alterTable(table).renameTo("hidden").execute();
  await run();
  await stack.store.db.schema.alterTable("hidden").renameTo(table).execute();
}

test(
  "logs and Temporal contain no token, secret, payload or query string; the database contains no readable secret",
  async () => {
    // Deliveries that succeed and deliveries that fail in every way, with the same secrets.
    const created = await subscribe(receiver.url);
    receiver.answer({
      kind: "status",
      status: 500,
      body: PAYLOAD,
      headers: { "x-echo": `${CREDENTIAL} ${HEADER}` },
    });
    const { ID: failing } = await subscribe(receiver.url.replace("/hook", "/failing"));
    for (const url of [
      await refusedUrl(),
      "http://nowhere.invalid/hook",
      receiver.url.replace("http:", "https:"),
    ]) {
      await subscribe(url);
    }
    const { signingKey } = await stack.client.subscriptions.rotateSecret({ id: created.ID });
    for (const id of [created.ID, failing]) {
      await stack.client.subscriptions.updateSubscription({
        id,
        headers: { values: { "x-api-key": HEADER } },
      });
    }
    const { secret: token } = await stack.client.accounts.createToken({
      accountId: stack.accountId,
      name: "another",
      scopes: ["events:write"],
    });
    const { path: portalPath } = await stack.client.accounts.createPortalLink({
      accountId: stack.accountId,
      scopes: ["deliveries:read"],
    });
    const portalCode = portalPath.split("#")[1] ?? "";
    const { secret: sessionSecret } = await stack.client.sessions.openSession({ portalCode });
    await expect(stack.client.sessions.openSession({ portalCode })).rejects.toThrow(/already used/);
    const { path: unopened } = await stack.client.accounts.createPortalLink({
      accountId: stack.accountId,
      scopes: ["deliveries:read"],
    });
    await ingest();
    await receiver.waitFor(2, { timeoutMs: 60_000 });
    receiver.answer({ kind: "status", status: 200, body: PAYLOAD });
    await ingest();
    await receiver.waitFor(4, { timeoutMs: 60_000 });

    // Mistakes of callers.
    const bad = `{"target_url": "https://me:${CREDENTIAL}@yoursite.example/?${QUERY}", "event": "${PAYLOAD}"`;
    for (const [method, path] of [
      ["POST", "/api/Webhook"],
      ["GET", `/api/Webhook?key=${QUERY}`],
      ["DELETE", `/api/Webhook?target_url=https://yoursite.example/?${QUERY}`],
      ["GET", `/nothing/?${QUERY}`],
      ["POST", "/posthaste.v1.EventIngestService/IngestEvent"],
    ] as const) {
      for (const bearer of [stack.token, FALSE_TOKEN]) {
        await rest(method, path, method === "POST" ? bad : undefined, bearer);
        if (method === "POST") await rest(method, path, `${bad}}`, bearer);
      }
    }
    // Faults in the API and in the worker.
    await without("events", async () => {
      const event = { eventType: "invoice_sent", dataJson: JSON.stringify({ Notes: PAYLOAD }) };
      const path = "/posthaste.v1.EventIngestService/IngestEvent";
      const { text } = await rest("POST", path, JSON.stringify(event));
      // The reason is all that it says.
      expect(JSON.parse(text)).toEqual({
        code: "internal",
        message: "internal error",
        details: [
          {
            type: "google.rpc.ErrorInfo",
            value: expect.any(String),
            debug: { reason: "INTERNAL", domain: "posthaste" },
          },
        ],
      });
    });
    await without("subscription_event_types", async () => {
      const body = JSON.stringify({
        target_url: `https://yoursite.example/?${QUERY}`,
        secret: CREDENTIAL,
        ...EVENT,
      });
      expect(await rest("POST", "/api/Webhook", body)).toMatchObject({ status: 500 });
    });
    await without("attempts", async () => {
      await ingest();
      await vi.waitFor(() => expect(stack.workers[0]?.log()).toContain("delivery.faulted"), PATIENCE);
    });
    await receiver.waitFor(6, { timeoutMs: 60_000 });
    const { deliveries } = await vi.waitFor(async () => {
      const page = await stack.client.deliveries.listDeliveries({ subscriptionId: failing });
      expect(page.deliveries.filter(({ attempts }) => attempts > 0)).toHaveLength(3);
      return page;
    }, PATIENCE);

    const logs = [...stack.apis, ...stack.workers, stack.temporal].map((child) => child.log()).join("\n");
    const temporal = bytesOf(join(stack.dir, "temporal.db"));
    const visible = await visibleToOperators();
    const database = bytesOf(stack.databaseUrl.slice("sqlite:".length));
    const secrets = {
      token: stack.token,
      "another token": token,
      "a false token": FALSE_TOKEN,
      "a portal link's code": portalCode,
      "the code of an unopened portal link": unopened.split("#")[1] ?? "",
      "a session": sessionSecret,
      credential: CREDENTIAL,
      "custom header": HEADER,
      "credential in Base64": Buffer.from(CREDENTIAL).toString("base64"),
      "signing secret": created.signing_secret.slice("whsec_".length),
      "signing secret after its rotation": signingKey?.secret.slice("whsec_".length) ?? "",
      "sealing key": TEST_SECRET_KEYS.slice("test:".length),
    };
    const places = { logs, temporal, visible };
    const found: string[] = [];
    for (const [what, text] of Object.entries({ ...secrets, payload: PAYLOAD, "query string": QUERY })) {
      expect(text).not.toBe("");
      for (const [where, content] of Object.entries(places))
        if (content.includes(text)) found.push(`${what} in ${where}`);
    }
    for (const [what, text] of Object.entries(secrets))
      if (database.includes(text)) found.push(`${what} in the database`);
    expect(found).toEqual([]);

    // The search works: it finds texts that are expected. The newest delivery may not be logged yet.
    const id = deliveries.at(-1)?.id ?? "";
    for (const content of [logs, temporal, visible]) expect(content).toContain(id);
    expect(database).toContain(PAYLOAD);
    expect(logs).toContain("request.faulted");
  },
  TEST_WITHIN_MS,
);

/** Reads a database's files, including its write-ahead log. */
function bytesOf(path: string): string {
  return readdirSync(dirname(path))
    .filter((file) => file.startsWith(basename(path)))
    .map((file) => readFileSync(join(dirname(path), file), "latin1"))
    .join("\n");
}

/** Returns the list of workflows and every history, with the decoded payloads. */
async function visibleToOperators(): Promise<string> {
  const client = connectTemporal({ connectionOptions: { address: stack.temporalAddress } });
  const texts: string[] = [];
  try {
    for await (const workflow of client.workflow.list()) {
      texts.push(textOf({ ...workflow, raw: undefined }));
      texts.push(textOf(await client.workflow.getHandle(workflow.workflowId).fetchHistory()));
    }
  } finally {
    await client.connection.close();
  }
  return texts.join("\n");
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, part) => {
    if (typeof part === "bigint") return String(part);
    const bytes =
      part?.type === "Buffer" ? Buffer.from(part.data) : part instanceof Uint8Array ? part : undefined;
    return bytes === undefined ? part : Buffer.from(bytes).toString("utf8");
  });
}
