import { once } from "node:events";
import { connect, constants } from "node:http2";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

/** One call, and as many as may wait behind it. Their answers are more than the system takes for a client. */
const CALLS = 21;

let t: Bench;
let body: string;
beforeEach(async () => {
  t = await startBench();
  const dataJson = JSON.stringify({ text: "x".repeat(250_000) });
  const stored = await t.rpc("EventIngestService/IngestEvent", { eventType: "invoice_sent", dataJson });
  body = JSON.stringify({ id: stored.body.eventId });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await t.dispose();
});

const path = "/posthaste.v1.DeliveryService/GetEvent";
const fields = () => ({ authorization: `Bearer ${t.token}`, "content-type": "application/json" });
const answers = () => t.logged("request.completed").slice(1);

test("a caller that leaves in the middle of an answer over HTTP/1.1 makes Connect print nothing", async () => {
  const printed = vi.spyOn(console, "error");
  const head = Object.entries({ host: "a", ...fields(), "content-length": body.length });
  const lines = [`POST ${path} HTTP/1.1`, ...head.map((field) => field.join(": "))];
  const { socket } = openSocket(t.url);
  socket.pause();
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`.repeat(CALLS));
  // Until the server can write no more.
  let before = -1;
  const written = () => {
    const since = answers().length - before;
    before += since;
    return since;
  };
  await expect.poll(written, { interval: 200 }).toBe(0);
  // First its half, so that the write fails with EPIPE.
  await once(socket.end(), "finish");
  socket.resetAndDestroy();
  await expect.poll(answers).toHaveLength(CALLS);
  expect(answers()).toContainEqual(expect.objectContaining({ code: "ok", aborted: true }));
  expect(printed.mock.calls).toEqual([]);
});

test.each(["NGHTTP2_CANCEL", "NGHTTP2_INTERNAL_ERROR", "NGHTTP2_PROTOCOL_ERROR"] as const)(
  "a caller that resets the stream of an answer with %s makes Connect print nothing",
  async (code) => {
    const printed = vi.spyOn(console, "error");
    const session = connect(t.url, { settings: { initialWindowSize: 0 } });
    const stream = session.request({ ":method": "POST", ":path": path, ...fields() });
    stream.on("error", () => {}).end(body);
    await once(stream, "response");
    stream.close(constants[code]);
    await expect.poll(answers).toMatchObject([{ code: "ok", aborted: true }]);
    session.destroy();
    expect(printed.mock.calls).toEqual([]);
  },
);
