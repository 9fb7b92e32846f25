import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Stack, startStack } from "@posthaste/stack";
import { type Receiver, startReceiver } from "@posthaste/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

type CollectedSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
};
type Export = { resourceSpans: { scopeSpans: { spans: CollectedSpan[] }[] }[] };

const PATIENCE = { timeout: 60_000, interval: 100 };
const CALLER = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };

const spans: CollectedSpan[] = [];
let collector: Server;
let stack: Stack;
let receiver: Receiver;
beforeAll(async () => {
  collector = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Export;
    spans.push(...body.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans)));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const { port } = collector.address() as AddressInfo;
  stack = await startStack({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } });
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.stop();
  await stack.dispose();
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

const ingest = async (headers: Record<string, string> = {}) => {
  const { eventId } = await stack.client.events.ingestEvent(
    { eventType: "invoice_sent", snapshot: { case: "dataJson", value: '{"hidden":"payload"}' } },
    { headers },
  );
  return eventId;
};
const spansOf = async (traceId: string, count: number) =>
  await vi.waitFor(() => {
    const found = spans.filter((span) => span.traceId === traceId);
    expect(found.map((span) => span.name)).toHaveLength(count);
    return found;
  }, PATIENCE);
const traceOf = (traceparent: string | undefined) => traceparent?.split("-")[1] ?? "";
const RPC = "posthaste.v1.EventIngestService/IngestEvent";

test("all spans of a delivery, from the ingest call through the workflow to each POST, form one tree", async () => {
  await stack.subscribe(`${receiver.url}hook?token=hidden`);
  receiver.answer((_request, n) => ({ kind: "status", status: n === 1 ? 500 : 200 }));
  const eventId = await ingest();
  const [first] = await receiver.waitFor(1, { timeoutMs: 30_000 });
  const traceId = traceOf(first?.headers["traceparent"]);
  const id = await vi.waitFor(async () => {
    const { deliveries } = await stack.client.deliveries.listDeliveries({ eventId });
    expect(deliveries[0]?.attempts).toBe(1);
    return deliveries[0]?.id ?? "";
  }, PATIENCE);
  await stack.client.deliveries.retryDelivery({ id });
  await receiver.waitFor(2, { timeoutMs: 30_000 });
  const tree = await spansOf(traceId, 6);
  expect(tree.map((span) => span.name).sort()).toEqual(
    [RPC, "start delivery", "attempt delivery", "attempt delivery", "POST", "POST"].sort(),
  );
  const byId = new Map(tree.map((span) => [span.spanId, span]));
  const parentOf = (span: CollectedSpan) => byId.get(span.parentSpanId ?? "")?.name;
  expect(tree.filter((span) => parentOf(span) === undefined).map((span) => span.name)).toEqual([RPC]);
  for (const span of tree) {
    const parents: Record<string, string | undefined> = {
      "start delivery": RPC,
      "attempt delivery": "start delivery",
      POST: "attempt delivery",
    };
    expect(parentOf(span)).toBe(parents[span.name]);
  }
  // Each request names its POST span as the parent for the receiver's own spans.
  for (const request of receiver.requests) {
    const [, , spanId = ""] = request.headers["traceparent"]?.split("-") ?? [];
    expect(byId.get(spanId)?.name).toBe("POST");
  }
  expect(JSON.stringify(tree)).not.toContain("hidden");
});

test("an ingest call continues the caller's trace", async () => {
  const before = receiver.requests.length;
  await ingest({ traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` });
  await receiver.waitFor(before + 1, { timeoutMs: 30_000 });
  const tree = await spansOf(CALLER.traceId, 4);
  expect(tree.find((span) => span.name === RPC)?.parentSpanId).toBe(CALLER.spanId);
});

test("the lines of a request and of an attempt have the ids of their spans", async () => {
  const linesOf = (log: string | undefined, event: string) =>
    (log ?? "")
      .split("\n")
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line) => JSON.parse(line) as { traceId?: string; spanId?: string });
  const spanOf = (line: { traceId?: string; spanId?: string } | undefined) =>
    spans.find(({ traceId, spanId }) => traceId === line?.traceId && spanId === line?.spanId)?.name;
  await vi.waitFor(() => {
    const ofCaller = ({ traceId }: { traceId?: string }) => traceId === CALLER.traceId;
    const request = linesOf(stack.apis[0]?.log(), "request.completed").find(ofCaller);
    const attempt = linesOf(stack.workers[0]?.log(), "delivery.attempted").find(ofCaller);
    expect([spanOf(request), spanOf(attempt)]).toEqual([RPC, "attempt delivery"]);
  }, PATIENCE);
});

test("the line of a fault names the trace of what it cut off", async () => {
  const id = await stack.subscribe(`${receiver.url}faulty`, "contact_deleted");
  await stack.store.db.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
  const traceId = "1".repeat(32);
  const headers = { traceparent: `00-${traceId}-${CALLER.spanId}-01` };
  const snapshot = { case: "dataJson", value: "{}" } as const;
  await stack.client.events.ingestEvent({ eventType: "contact_deleted", snapshot }, { headers });
  await vi.waitFor(() => {
    const faults = stack.workers[0]
      ?.log()
      .split("\n")
      .filter((line) => line.includes("delivery.faulted"));
    expect(JSON.parse(faults?.[0] ?? "{}")).toMatchObject({ traceId, spanId: expect.any(String) });
  }, PATIENCE);
});
