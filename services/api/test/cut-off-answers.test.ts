import { once } from "node:events";
import { connect, constants } from "node:http2";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

test("a connection goes on after answers that its client has cut off", async () => {
  const event = { eventType: "invoice_sent", dataJson: JSON.stringify({ text: "x".repeat(1_000_000) }) };
  const { body } = await t.rpc("EventIngestService/IngestEvent", event);
  const session = connect(t.url);
  session.on("error", () => {});
  const call = (method: string, message: object) => {
    const stream = session.request({
      ...{ ":method": "POST", ":path": `/posthaste.v1.${method}` },
      ...{ "content-type": "application/json", authorization: `Bearer ${t.token}` },
    });
    stream.on("error", () => {});
    stream.end(JSON.stringify(message));
    return stream;
  };
  for (let n = 0; n < 40; n++) {
    const stream = call("DeliveryService/GetEvent", { id: body.eventId });
    await once(stream, "response");
    stream.close(constants.NGHTTP2_CANCEL);
    await once(stream, "close");
  }
  const stream = call("SessionService/GetSession", {});
  const [headers] = await once(stream, "response");
  expect(headers[":status"]).toBe(200);
  expect(await text(stream)).toContain("account");
  session.destroy();
});
