import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createPosthasteClient } from "@posthaste/client";
import { Complaint } from "@posthaste/runtime/terminal";
import { freePort, poll, type ReceivedRequest, type Receiver, startReceiver } from "@posthaste/testkit";
import { indentJson } from "./indent-json.ts";

/** A receiver on this machine that shows a first delivery. */
export type Demo = {
  /** Subscribes the receiver, ingests a sample event, and prints the request that arrives. */
  deliverSample(options: { apiUrl: string; token: string; signal: AbortSignal }): Promise<void>;
  stop(): Promise<void>;
};

const EVENT = "invoice_sent";
const DELIVERED_WITHIN_MS = 30_000;

/**
 * Starts the receiver. Keeps its port in the data folder, so that an earlier run's subscription still works.
 */
export async function startDemo({ dataDir }: { dataDir: string }): Promise<Demo> {
  const path = join(dataDir, "demo-receiver-port");
  const kept = Number(await readFile(path, "utf8").catch(() => "0"));
  const port = await freePort(Number.isInteger(kept) && kept > 0 && kept < 65_536 ? kept : 0);
  const receiver = await startReceiver({ port });
  await writeFile(path, `${receiver.port}\n`);
  return {
    deliverSample: (options) => deliverSample(receiver, options),
    stop: () => receiver.stop(),
  };
}

async function deliverSample(
  receiver: Receiver,
  { apiUrl, token, signal }: { apiUrl: string; token: string; signal: AbortSignal },
): Promise<void> {
  console.log(`Demo: a sample receiver is listening on ${receiver.url}`);
  const subscribed = await subscribe(apiUrl, token, receiver.url);
  console.log(`Demo: ${subscribed}`);

  const client = createPosthasteClient({ baseUrl: apiUrl, token });
  try {
    const { eventId } = await client.events.ingestEvent({
      eventType: EVENT,
      snapshot: { case: "dataJson", value: await sampleInvoice(client) },
    });
    console.log(`Demo: ingested the event ${eventId} with the typed client`);
    const arrived = () => receiver.requests.find((request) => request.headers["webhook-id"] === eventId);
    if (!(await poll(() => arrived() !== undefined, { withinMs: DELIVERED_WITHIN_MS, signal }))) {
      throw new Complaint(
        `the demo's event did not reach the receiver within ${DELIVERED_WITHIN_MS / 1000} s: see the logs in the data folder`,
      );
    }
    console.log(`Demo: the receiver got this request\n\n${readable(arrived())}\n`);
  } finally {
    await client.close();
  }
}

async function subscribe(apiUrl: string, token: string, targetUrl: string): Promise<string> {
  const response = await fetch(`${apiUrl}/api/Webhook`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ target_url: targetUrl, event: EVENT }),
  });
  const body = await response.text();
  if (response.status === 201) return `subscribed it to ${EVENT} with POST /api/Webhook (${body})`;
  if (response.status === 409) return `it is already subscribed to ${EVENT}`;
  throw new Complaint(
    `the demo could not subscribe its receiver: POST /api/Webhook answered ${response.status} ${body}`,
  );
}

/** Returns the catalogue's sample payload for the event type. */
async function sampleInvoice(client: ReturnType<typeof createPosthasteClient>): Promise<string> {
  const { eventType } = await client.catalog.getEventType({ code: EVENT });
  return eventType?.sampleJson ?? "{}";
}

function readable(request: ReceivedRequest | undefined): string {
  if (request === undefined) return "";
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  return [`${request.method} ${request.path}`, ...headers, "", indentJson(request.body.toString())]
    .map((line) => line.replaceAll(/^/gm, "  "))
    .join("\n");
}
