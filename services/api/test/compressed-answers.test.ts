import { countComputing } from "@posthaste/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeAll(async () => {
  t = await startBench();
});
afterAll(() => t.dispose());

/** Returns text that is compressed to half of its size, as an answer of ids, names and times is. */
const textOf = (bytes: number) => {
  let [text, seed] = ["", 1];
  for (; text.length < bytes; ) {
    seed = (seed * 48_271) % 2_147_483_647;
    text += `word${seed % 9_973} ${seed.toString(36)} `;
  }
  return text.slice(0, bytes);
};

async function store(bytes: number): Promise<string> {
  const event = { eventType: "invoice_sent", dataJson: JSON.stringify({ text: textOf(bytes) }) };
  const { body } = await t.rpc("EventIngestService/IngestEvent", event);
  return body.eventId;
}

/** Reads an event over Connect; returns what the answer says of its encoding, and the processor's time. */
async function read(id: string, encoding: string) {
  const computedMs = countComputing();
  const answer = await fetch(`${t.url}/posthaste.v1.DeliveryService/GetEvent`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${t.token}`,
      "content-type": "application/json",
      "accept-encoding": encoding,
    },
    body: JSON.stringify({ id }),
  });
  expect(answer.status).toBe(200);
  const text = await answer.text();
  return { text, encoding: answer.headers.get("content-encoding"), ms: computedMs() };
}

describe("an answer of 1 MiB takes little more of the processor", () => {
  test.each(["br", "gzip"])("in %s than as it is", async (encoding) => {
    const id = await store(1_000_000);
    const leastOf = async (wanted: string) => {
      const reads = [await read(id, wanted), await read(id, wanted), await read(id, wanted)];
      return reads.reduce((least, one) => (one.ms < least.ms ? one : least));
    };
    const [plain, compressed] = [await leastOf("identity"), await leastOf(encoding)];
    expect([plain.encoding, compressed.encoding]).toEqual([null, encoding]);
    expect(compressed.text).toBe(plain.text);
    expect(compressed.ms).toBeLessThan(10 * plain.ms);
  });
});

test("a small answer is sent as it is", async () => {
  expect(await read(await store(2_000), "br")).toMatchObject({ encoding: null });
});
