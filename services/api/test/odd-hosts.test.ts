import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";
const HOSTS = ["", "a:99999", "[", "[fe80::1%25eth0]", "a b"];
const message = JSON.stringify({ eventType: "invoice_sent", dataJson: "{}" });

/** Sends a call over HTTP/1, and returns its answer. */
async function overHttp1(version: string, hosts: readonly string[]): Promise<string> {
  const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
  const lines = [
    `POST ${INGEST} HTTP/${version}`,
    ...hosts.map((host) => `host: ${host}`),
    `authorization: Bearer ${t.token}`,
    "content-type: application/json",
    `content-length: ${message.length}`,
    "connection: close",
  ];
  let answer = "";
  socket.on("data", (text) => {
    answer += text;
  });
  socket.write(`${lines.join("\r\n")}\r\n\r\n${message}`);
  await once(socket, "close");
  return answer;
}

describe("a call whose host cannot be a part of a URL is refused", () => {
  test.each(HOSTS)("over HTTP/1.1: %j", async (host) => {
    const answer = await overHttp1("1.1", [host]);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(t.logged("request.faulted")).toEqual([]);
  });

  test("over HTTP/1.0, without any", async () => {
    expect(await overHttp1("1.0", [])).toMatch(/^HTTP\/1\.[01] 400 .*"reason":"MESSAGE_UNREADABLE"/s);
  });

  test.each(["a:99999", "["])("over HTTP/2: %j", async (host) => {
    const session = connectHttp2(t.url);
    try {
      const call = session.request({
        ...{ ":method": "POST", ":path": INGEST, ":authority": host },
        ...{ authorization: `Bearer ${t.token}`, "content-type": "application/json" },
      });
      call.end(message);
      const [head] = await once(call, "response");
      expect(head[":status"]).toBe(400);
      call.resume();
    } finally {
      session.destroy();
    }
  });

  test("and any other host is taken", async () => {
    expect(await overHttp1("1.1", ["posthaste.internal:80"])).toMatch(/^HTTP\/1\.1 200 .*"eventId"/s);
  });
});
