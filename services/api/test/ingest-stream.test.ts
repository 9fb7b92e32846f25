import { constants } from "node:http2";
import type { Socket } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { IngestOutcome } from "@posthaste/client";
import { EventIngestService, type IngestStreamResponse } from "@posthaste/contracts/event_ingest";
import { revokeToken } from "@posthaste/store";
import { afterEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";
import { data, enveloped, headers, preface, rawSocket, reset } from "./http2-frames.ts";

let t: Bench;
const ends: (() => void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await t.dispose();
});

const event = (idempotencyKey: string, json = "{}", eventType = "invoice_sent") =>
  ({ eventType, idempotencyKey, snapshot: { case: "dataJson", value: json } }) as const;

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of stream) found.push(one);
  return found;
}

/** A stream whose messages a test sends one by one. */
function openStream(token = t.token) {
  const sessionManager = new Http2SessionManager(t.url);
  ends.push(() => sessionManager.abort());
  const { ingestStream } = createClient(
    EventIngestService,
    createGrpcTransport({ baseUrl: t.url, sessionManager }),
  );
  const queue: { sequence: number; event?: ReturnType<typeof event> }[] = [];
  let isOver = false;
  let wake = () => {};
  const requests = async function* () {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (isOver) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const headers = { authorization: `Bearer ${token}` };
  const answers = ingestStream(requests(), { headers })[Symbol.asyncIterator]();
  return {
    send(sequence: number, one?: ReturnType<typeof event>) {
      queue.push({ sequence, ...(one === undefined ? {} : { event: one }) });
      wake();
    },
    end() {
      isOver = true;
      wake();
    },
    answers,
    /** All that is still acknowledged, and what the stream ended with. */
    async rest(): Promise<{ sequences: number[]; code: Code | "ok" }> {
      const sequences: number[] = [];
      try {
        for (;;) {
          const next = await answers.next();
          if (next.done === true) return { sequences, code: "ok" };
          sequences.push(...next.value.acknowledgements.map((one: { sequence: number }) => one.sequence));
        }
      } catch (error) {
        return { sequences, code: ConnectError.from(error).code };
      }
    },
  };
}

const firstOf = (answer: IteratorResult<IngestStreamResponse>) =>
  answer.done === true ? undefined : answer.value.acknowledgements[0];

test("each acknowledgement is a commit: with the event's id, its deliveries, and whether it was there before", async () => {
  t = await startBench();
  await t.client.subscriptions.createSubscription({
    targetUrl: "https://receiver.example/",
    eventTypes: ["invoice_sent"],
  });
  const events = Array.from({ length: 1_500 }, (_, i) => event(`key-${i % 1_400}`, `{"n":${i % 1_400}}`));
  const stored = (await all(t.client.ingestStream(events))).flatMap((outcome: IngestOutcome) =>
    "stored" in outcome ? [outcome.stored] : [],
  );
  expect(stored).toHaveLength(1_500);
  expect(stored.filter(({ duplicate }) => duplicate)).toHaveLength(100);
  expect(stored.every(({ deliveryCount }) => deliveryCount === 1)).toBe(true);
  const rows = await t.store.db.selectFrom("events").select("id").execute();
  expect(new Set(stored.map(({ eventId }) => eventId))).toEqual(new Set(rows.map(({ id }) => id)));
  expect(rows).toHaveLength(1_400);
  await expect
    .poll(() => t.logged("request.completed").find(({ rpc }) => String(rpc).endsWith("IngestStream")))
    .toMatchObject({ code: "ok", events: 1_400, duplicates: 100, deliveries: 1_400 });
});

test("an acknowledgement comes at once, not at the stream's end", async () => {
  t = await startBench();
  const stream = openStream();
  for (const sequence of [7, 7, 4_294_967_295]) {
    stream.send(sequence, event(""));
    expect(firstOf(await stream.answers.next())).toMatchObject({ sequence, outcome: { case: "stored" } });
  }
  stream.end();
  expect(await stream.rest()).toEqual({ sequences: [], code: "ok" });
});

test("an event that is refused is refused alone, and says what is wrong where", async () => {
  t = await startBench();
  await t.client.events.ingestEvent(event("taken", '{"a":1}'));
  const refused = [
    [undefined, Code.InvalidArgument, "event is missing"],
    [event("a", "[]"), Code.InvalidArgument, "event.data_json is not a JSON object"],
    [event("b", "{}", "No Type"), Code.InvalidArgument, "event.event_type is missing or malformed"],
    [event("c", "{}", "no_type"), Code.InvalidArgument, "no_type"],
    [event("taken", '{"a":2}'), Code.AlreadyExists, "used before with other content"],
  ] as const;
  const stream = openStream();
  for (const [i, [one, code, words]] of refused.entries()) {
    stream.send(i, one);
    const acknowledgement = firstOf(await stream.answers.next());
    expect(acknowledgement).toMatchObject({ sequence: i, outcome: { case: "refusal", value: { code } } });
    expect(acknowledgement?.outcome.value).toMatchObject({ message: expect.stringContaining(words) });
  }
  stream.send(9, event("good"));
  expect(firstOf(await stream.answers.next())).toMatchObject({ outcome: { case: "stored" } });
  expect((await t.stored()).events).toBe(2);
});

test("an event that does not fit its type's schema tells each field where the account wants it refused", async () => {
  t = await startBench();
  await t.client.catalog.setSchemaCheck({ schemaCheck: 3 });
  const [outcome] = await all(t.client.ingestStream([event("", '{"InvoiceNumber":7}')]));
  expect(outcome).toMatchObject({
    refusal: {
      code: Code.InvalidArgument,
      fields: expect.arrayContaining([
        expect.objectContaining({
          field: "event.data_json",
          message: "/InvoiceNumber must be string,null",
        }),
      ]),
    },
  });
});

test("a stop acknowledges what is committed and then says that the client may come again", async () => {
  t = await startBench();
  const stream = openStream();
  for (let i = 0; i < 200; i++) stream.send(i, event(`key-${i}`));
  await stream.answers.next();
  const stopped = t.stop();
  const { code } = await stream.rest();
  expect(code).toBe(Code.Unavailable);
  await stopped;
});

test("a revoked token ends its streams, once what was taken is acknowledged", async () => {
  t = await startBench();
  const { tokens } = { tokens: await t.store.db.selectFrom("tokens").select("id").execute() };
  const stream = openStream();
  stream.send(0, event("before"));
  await stream.answers.next();
  for (const { id } of tokens) await revokeToken(t.store, { id: id as never, now: Date.now() });
  let sent = 0;
  const sending = setInterval(() => stream.send(++sent, event(`after-${sent}`)), 50);
  const { sequences, code } = await stream.rest();
  clearInterval(sending);
  expect(code).toBe(Code.Unauthenticated);
  // A second of them, as documented.
  expect(sequences.length).toBeLessThan(30);
  expect((await t.stored()).events).toBe(1 + sequences.length);
});

test("a stream without a token, or without the scope, is refused before anything is read", async () => {
  t = await startBench();
  for (const [token, code] of [
    ["pht_unknown", Code.Unauthenticated],
    [await t.tokenWith(["events:read" as never, "deliveries:read"]), Code.PermissionDenied],
  ] as const) {
    const stream = openStream(token);
    stream.send(0, event(""));
    expect(await stream.rest()).toEqual({ sequences: [], code });
  }
  expect((await t.stored()).events).toBe(0);
});

test("no more streams than may be are open at once, and one that ends makes room", async () => {
  t = await startBench({ limits: { POSTHASTE_INGEST_STREAMS_MAX: 1 } });
  const first = openStream();
  first.send(0, event(""));
  await first.answers.next();
  expect((await openStream().rest()).code).toBe(Code.ResourceExhausted);
  first.end();
  await first.rest();
  expect(await all(t.client.ingestStream([event("")]))).toMatchObject([{ stored: { duplicate: false } }]);
});

test("a stream may take longer than a request may take to arrive", async () => {
  t = await startBench({ limits: { POSTHASTE_REQUEST_TIMEOUT_MS: 100 } });
  const stream = openStream();
  const begun = performance.now();
  for (let i = 0; performance.now() - begun < 400; i++) {
    stream.send(i, event(""));
    expect(firstOf(await stream.answers.next())?.sequence).toBe(i);
  }
});

describe("a stream gives its place back", () => {
  /** One over a bare connection whose client gives its answer so much of a window. */
  const openRaw = (windowBytes: number, messages: readonly string[]) => {
    const socket = rawSocket(t.url);
    ends.push(() => socket.destroy());
    const head = {
      ":method": "POST",
      ":path": "/posthaste.v1.EventIngestService/IngestStream",
      "content-type": "application/connect+json",
      authorization: `Bearer ${t.token}`,
    };
    const frames = messages.map((message) => data(1, enveloped(message)));
    socket.write(Buffer.concat([preface(windowBytes), headers(1, head, false), ...frames]));
    return socket;
  };

  test.each<[string, (socket: Socket) => void]>([
    ["cancels it", (socket) => socket.write(reset(1, constants.NGHTTP2_CANCEL))],
    ["resets it without error", (socket) => socket.write(reset(1, constants.NGHTTP2_NO_ERROR))],
    ["ends its connection", (socket) => socket.end()],
    ["breaks its connection off", (socket) => socket.resetAndDestroy()],
  ])("whose client %s while acknowledgements wait to be read", async (_how, leave) => {
    t = await startBench({ limits: { POSTHASTE_INGEST_STREAMS_MAX: 1 } });
    // More than Node takes before it says that there is no room.
    const messages = Array.from(
      { length: 400 },
      (_, sequence) => `{"sequence":${sequence},"event":{"eventType":"invoice_sent","dataJson":"{}"}}`,
    );
    const socket = openRaw(0, messages);
    await expect.poll(async () => (await t.stored()).events).toBe(messages.length);
    expect((await openStream().rest()).code).toBe(Code.ResourceExhausted);
    leave(socket);
    const next = async () => {
      const stream = openStream();
      stream.end();
      return (await stream.rest()).code;
    };
    await expect.poll(next).toBe("ok");
  });

  test("that is answered although its client would go on", async () => {
    t = await startBench();
    openRaw(65_535, ["no message"]);
    await expect.poll(() => t.logged("request.completed")).toHaveLength(1);
    expect(t.requestsUnderWay()).toEqual({ token: 0, public: 0 });
  });
});
