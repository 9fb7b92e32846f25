import { once } from "node:events";
import { connect } from "node:net";
import { data, headers, preface } from "@posthaste/testkit/http2-frames";
import { afterEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

let t: Bench;
afterEach(() => t.dispose());

const start = async (connectionsMax: number) => {
  t = await startBench({ limits: { connectionsMax } });
};

const askOverHttp1 = "GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n";
const askOverHttp2 = (stream: number) => headers(stream, { ":method": "GET", ":path": "/nowhere" });

const openNow = () => {
  const { undecided, http1, http2 } = t.counters();
  return undecided + http1 + http2;
};
const requestsNow = () => t.counters().responses + t.counters().streams;
const answers = () => t.logged("request.completed").length;

/** Opens a connection, waits until it is accepted, and sends something. */
async function openAndSend(bytes: string | Buffer) {
  const before = openNow();
  const connection = openSocket(t.url);
  await expect.poll(openNow).toBe(before + 1);
  connection.socket.write(bytes);
  return connection;
}

/** Opens a connection with an account's request whose body is still to come; `end` sends it. */
async function openBusy(protocol: string) {
  const before = t.counters().admitted;
  // Each subscribes another URL.
  const body = JSON.stringify({ target_url: `https://yoursite.example/${before}`, event: "invoice_sent" });
  const fields = { authorization: `Bearer ${t.token}`, "content-type": "application/json" };
  const lines = Object.entries({ host: "a", ...fields, "content-length": body.length }).map((field) =>
    field.join(": "),
  );
  const isHttp2 = protocol === "HTTP/2";
  const head = isHttp2
    ? Buffer.concat([preface(), headers(1, { ":method": "POST", ":path": "/api/Webhook", ...fields }, false)])
    : `POST /api/Webhook HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
  const connection = await openAndSend(head);
  await expect.poll(() => t.counters().admitted).toBe(before + 1);
  const end = async () => {
    const done = answers();
    connection.socket.write(isHttp2 ? data(1, Buffer.from(body), true) : body);
    await expect.poll(answers).toBe(done + 1);
    expect(t.logged("request.completed").at(-1)).toMatchObject({ code: 201 });
  };
  return { ...connection, end };
}

/** Asks over a new connection. @returns all that it received */
function ask(): Promise<string> {
  const { socket, closed } = openSocket(t.url);
  socket.write(askOverHttp1.replace("host: a", "host: a\r\nconnection: close"));
  return closed;
}

test.each(["HTTP/1.1", "HTTP/2"])(
  "connections over the limit are closed on arrival while each has a request in flight over %s",
  async (protocol) => {
    await start(1);
    const first = await openBusy(protocol);
    expect(await ask()).toBe("");
    expect(t.closed).toEqual(["full"]);
    await first.end();
    await expect.poll(ask).toContain("404 Not Found");
    await first.closed;
  },
);

test.each<[what: string, bytes: string | Buffer, answers: number]>([
  ["nothing", "", 0],
  ["a part of the preface", "PR", 0],
  ["no more than the preface", preface(), 0],
  ["a part of a head", askOverHttp1.slice(0, -2), 0],
  ["a request over HTTP/1.1", askOverHttp1, 1],
  ["a request over HTTP/2", Buffer.concat([preface(), askOverHttp2(1)]), 1],
])(
  "a connection over the limit closes the one that has been idle longest, which sent %s",
  async (_what, bytes, answered) => {
    await start(4);
    const busy = [await openBusy("HTTP/1.1"), await openBusy("HTTP/2")];
    const longest = await openAndSend(bytes);
    await expect.poll(answers).toBe(answered);
    await expect.poll(requestsNow).toBe(busy.length);
    const later = await openAndSend("");
    expect(await ask()).toContain("404 Not Found");
    await longest.closed;
    expect(t.closed).toEqual(["idle"]);
    expect([...busy, later].map(({ socket }) => socket.closed)).toEqual([false, false, false]);
    for (const { end } of busy) await end();
  },
);

test.each<[protocol: string, first: string | Buffer, second: string | Buffer]>([
  ["HTTP/1.1", askOverHttp1, askOverHttp1],
  ["HTTP/2", Buffer.concat([preface(), askOverHttp2(1)]), askOverHttp2(3)],
])("a connection over %s has been idle since its last request", async (_protocol, first, second) => {
  await start(2);
  const used = await openAndSend(first);
  await expect.poll(answers).toBe(1);
  const unused = await openAndSend("");
  used.socket.write(second);
  await expect.poll(answers).toBe(2);
  await expect.poll(requestsNow).toBe(0);
  expect(await ask()).toContain("404 Not Found");
  await unused.closed;
  expect(used.socket.closed).toBe(false);
  used.socket.destroy();
});

test("a connection over the limit resets none whose client still sends an answered request", async () => {
  await start(1);
  // It sends on after the server has ended its half.
  const socket = connect({ port: Number(new URL(t.url).port), host: "127.0.0.1", allowHalfOpen: true });
  let received = "";
  socket.on("data", (bytes) => {
    received += bytes;
  });
  const errors: Error[] = [];
  socket.on("error", (error) => errors.push(error));
  const write = (text: string) => new Promise((resolve) => socket.write(text, resolve));
  await write("POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
  await expect.poll(answers).toBe(1);
  expect(await ask()).toContain("404 Not Found");
  // After a reset, the second write fails.
  await write("1\r\nx\r\n");
  await write("1\r\nx\r\n");
  expect(errors).toEqual([]);
  // What follows is neither worked on nor answered.
  const body = JSON.stringify({ target_url: "https://yoursite.example/", event: "invoice_sent" });
  const fields = ["host: a", `authorization: Bearer ${t.token}`, "content-type: application/json"];
  const head = ["POST /api/Webhook HTTP/1.1", ...fields, `content-length: ${body.length}`].join("\r\n");
  await write(`0\r\n\r\n${head}\r\n\r\n${body}HELLO\r\n\r\n`);
  socket.end();
  await once(socket, "close");
  expect(errors).toEqual([]);
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 404"]);
  expect(t.unreadable).toEqual([]);
  await expect.poll(answers).toBe(3);
  expect(t.logged("request.completed").at(-1)).toMatchObject({ route: "/api/Webhook", aborted: true });
  expect((await t.stored()).subscriptions).toBe(0);
});
