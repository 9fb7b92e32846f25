import { once } from "node:events";
import { connect } from "node:http2";
import { afterEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const BYTES = 1_000_000;

let t: Bench;
afterEach(() => t.dispose());

/** Starts an API that notes how many bytes it holds whenever something has waited for a turn of the loop. */
async function setup(bodiesBytesMax?: number) {
  const held: number[] = [];
  t = await startBench({
    ...(bodiesBytesMax === undefined ? {} : { limits: { bodiesBytesMax } }),
    loopTurns: { onWaited: () => held.push(t.counters().bytes) },
  });
  const event = { eventType: "invoice_sent", dataJson: JSON.stringify({ text: "x".repeat(BYTES) }) };
  const { body } = await t.rpc("EventIngestService/IngestEvent", event);
  await expect.poll(() => t.counters().bytes).toBe(0);
  held.length = 0;
  const read = () => t.rpc("DeliveryService/GetEvent", { id: body.eventId });
  return { held, id: body.eventId, read };
}

test("an answer that waits for its turn counts among the bytes of its account, until it is sent", async () => {
  const { held, read } = await setup();
  expect((await read()).status).toBe(200);
  // First its keys were read, before there was an answer.
  expect(held).toEqual([expect.any(Number), expect.toSatisfy((bytes: number) => bytes > BYTES)]);
  await expect.poll(() => t.counters().bytes).toBe(0);
});

test("answers that an account has no room for are refused instead of kept in memory", async () => {
  const { id, read } = await setup(6 * BYTES);
  // Takes what is small at once, and of what is large only the beginning.
  const session = connect(t.url, { settings: { initialWindowSize: 4_096 } });
  await once(session, "connect");
  session.setLocalWindowSize(2 ** 24);
  const statuses = Array.from({ length: 30 }, async () => {
    const stream = session.request({
      ...{ ":method": "POST", ":path": "/posthaste.v1.DeliveryService/GetEvent" },
      ...{ "content-type": "application/json", authorization: `Bearer ${t.token}` },
    });
    stream.on("error", () => {});
    stream.end(JSON.stringify({ id }));
    const [headers] = await once(stream, "response");
    return headers[":status"];
  });
  const counts = Object.groupBy(await Promise.all(statuses), (status: number) => String(status));
  expect(Object.keys(counts)).toEqual(["200", "429"]);
  expect(t.counters().bytes).toBeGreaterThan((counts[200]?.length ?? 0) * BYTES);
  expect(t.counters().bytes).toBeLessThan(6 * BYTES);
  expect((await read()).body.details[0].debug.reason).toBe("BODIES_FULL");
  session.destroy();
  await expect.poll(() => t.counters().bytes).toBe(0);
  expect((await read()).status).toBe(200);
});
