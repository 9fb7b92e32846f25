import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

let t: Bench;
beforeAll(async () => {
  t = await startBench();
});
afterAll(() => t.dispose());
let linesBefore: number;
beforeEach(() => {
  linesBefore = t.logged("request.completed").length;
});
const lines = () => t.logged("request.completed").slice(linesBefore);

const CLOSE = "connection: close";
const request = (first: string, fields: readonly string[]) => `${[first, ...fields].join("\r\n")}\r\n\r\n`;
const LIST = "GET /api/Webhook HTTP/1.1";
const authorized = () => `authorization: Bearer ${t.token}`;

const statusesOf = (answers: string) =>
  [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

/** Sends bytes, and returns the answers' statuses and the text once the connection is closed. */
async function ask(bytes: string) {
  const { socket, closed } = openSocket(t.url);
  socket.write(bytes, "latin1");
  const answers = await closed;
  return { answers, statuses: statusesOf(answers) };
}

describe("a request over HTTP/1.1 is refused with a problem and has one line", () => {
  test.each<[what: string, hosts: string[]]>([
    ["without a host", []],
    ["with two hosts", ["host: a", "host: a"]],
    ["with a host that is none", ["host: a b"]],
    ["with a host that has a path", ["host: a/b"]],
    ["with a host that names a user", ["host: u@a"]],
    ["with several ports", ["host: a:1:2"]],
    ["with an unfinished address", ["host: ["]],
  ])("%s", async (_what, hosts) => {
    const { answers, statuses } = await ask(request(LIST, [...hosts, authorized(), CLOSE]));
    expect(statuses).toEqual([400]);
    expect(answers).toMatch(/application\/problem\+json.*"reason":"MESSAGE_UNREADABLE"/s);
    await expect.poll(lines).toMatchObject([{ route: "/api/Webhook", code: 400 }]);
  });

  test.each(["", " ", " a", " a.example:8080", " [::1]:80", " my_service", " 10.0.0.1", " a:"])(
    "but not with the host %j",
    async (host) => {
      const { statuses } = await ask(request(LIST, [`host:${host}`, authorized(), CLOSE]));
      expect(statuses).toEqual([200]);
    },
  );

  test("but not without a host over HTTP/1.0", async () => {
    const { statuses } = await ask(request("GET /api/Webhook HTTP/1.0", [authorized()]));
    expect(statuses).toEqual([200]);
  });

  test("in its turn behind others", async () => {
    const good = request(LIST, ["host: a", authorized()]);
    const { statuses } = await ask(good + request(LIST, [authorized(), CLOSE]));
    expect(statuses).toEqual([200, 400]);
  });
});

describe("CONNECT over HTTP/1.1", () => {
  const connectTo = (target: string) => request(`CONNECT ${target} HTTP/1.1`, [`host: ${target}`]);

  test("is answered 405, has one line, and closes its connection", async () => {
    const { answers, statuses } = await ask(connectTo("a.example:443"));
    expect(statuses).toEqual([405]);
    expect(answers.toLowerCase()).toMatch(/connection: close.*"reason":"method_not_allowed"/s);
    await expect.poll(lines).toMatchObject([{ method: "CONNECT", code: 405 }]);
  });

  test("is answered in its turn behind others", async () => {
    const { statuses } = await ask(`${request(LIST, ["host: a", authorized()])}${connectTo("a:1")}`);
    expect(statuses).toEqual([200, 405]);
    await expect.poll(lines).toMatchObject([{ code: 200 }, { method: "CONNECT", code: 405 }]);
  });
});

test.each([
  ["h2c", ["upgrade: h2c", "connection: upgrade, http2-settings, close", "http2-settings: AAMAAABkAAQAAP__"]],
  ["websocket", ["upgrade: websocket", "connection: upgrade, close", "sec-websocket-version: 13"]],
])("a request to upgrade to %s is answered like any other, and has one line", async (_to, fields) => {
  const { answers, statuses } = await ask(request(LIST, ["host: a", authorized(), ...fields]));
  expect(statuses).toEqual([200]);
  expect(answers).not.toMatch(/^upgrade:/im);
  await expect.poll(lines).toMatchObject([{ route: "/api/Webhook", code: 200 }]);
});

describe("a request to upgrade is the last on its connection", () => {
  const upgrade = (first = LIST, ...fields: string[]) =>
    request(first, ["host: a", authorized(), "connection: upgrade", "upgrade: h2c", ...fields]);
  const list = () => request(LIST, ["host: a", authorized()]);

  test("as its answer says, so that its client sends the next one again", async () => {
    const { answers, statuses } = await ask(list() + upgrade() + list());
    expect(statuses).toEqual([200, 200]);
    expect(answers.match(/^connection: .*$/gim)).toEqual(["Connection: keep-alive", "connection: close"]);
    await expect.poll(lines).toMatchObject([{ code: 200 }, { code: 200 }]);
  });

  test("also if it has a body", async () => {
    const json = JSON.stringify({ eventType: "invoice_sent", dataJson: "{}" });
    const fields = ["content-type: application/json", `content-length: ${json.length}`];
    const ingest = "POST /posthaste.v1.EventIngestService/IngestEvent HTTP/1.1";
    const { events } = await t.stored();
    const { answers, statuses } = await ask(`${upgrade(ingest, ...fields)}${json}${list()}`);
    expect(statuses).toEqual([200]);
    expect(answers).toMatch(/^connection: close/im);
    expect((await t.stored()).events).toBe(events + 1);
  });

  test.each([
    ["that could be a request", `DELETE /api/Webhook/1 HTTP/1.1\r\nhost: a\r\n\r\n`],
    ["that is no HTTP", "HELLO\r\n\r\n"],
  ])("and a body behind it %s is not read as one", async (_what, body) => {
    const { socket, closed } = openSocket(t.url);
    const answered = once(socket, "data");
    socket.write(
      upgrade() + request("POST /nowhere HTTP/1.1", ["host: a", `content-length: ${body.length}`]),
    );
    // So it is in a read of its own. Its head was dropped with the rest of the first one.
    await answered;
    socket.write(body);
    expect(statusesOf(await closed)).toEqual([200]);
    await expect.poll(lines).toMatchObject([{ route: "/api/Webhook", code: 200 }]);
  });
});

describe("a request over HTTP/1.1", () => {
  const withFields = (count: number) => {
    const known = ["host: a", authorized(), CLOSE];
    return request(LIST, [...Array.from({ length: count - known.length }, () => "a:"), ...known]);
  };

  test("is read with 100 headers", async () => {
    expect((await ask(withFields(100))).statuses).toEqual([200]);
  });

  test.each([101, 102, 150, 1_500])("is refused with %i headers, and is logged or counted", async (count) => {
    const unreadableBefore = t.unreadable.length;
    const { answers, statuses } = await ask(withFields(count));
    expect(statuses).toEqual([431]);
    expect(answers).toMatch(/more than 100.*"reason":"MESSAGE_UNREADABLE"/);
    // Node's versions differ: what it refuses itself is no request.
    const codes = () => [...lines().map(({ code }) => code), ...t.unreadable.slice(unreadableBefore)];
    await expect.poll(codes).toEqual([431]);
  });
});

describe("a query", () => {
  const withQuery = (line: string, count: number) => {
    const [method, path, version] = line.split(" ");
    const fields = Array.from({ length: count }, (_, i) => `a${i}=`).join("&");
    return request(`${method} ${path}?${fields} ${version}`, ["host: a", authorized(), CLOSE]);
  };

  test("may have 100 fields", async () => {
    expect((await ask(withQuery(LIST, 100))).statuses).toEqual([200]);
  });

  test.each([
    ["the gateway", LIST],
    ["a health check", "GET /healthz HTTP/1.1"],
    ["an RPC", "GET /posthaste.v1.SubscriptionService/ListSubscriptions HTTP/1.1"],
    ["an unknown path", "GET /nowhere HTTP/1.1"],
  ])("of 101 fields is refused with a problem: %s", async (_what, line) => {
    const { answers, statuses } = await ask(withQuery(line, 101));
    expect(statuses).toEqual([400]);
    expect(answers).toMatch(/more than 100 fields in its query.*"reason":"MESSAGE_UNREADABLE"/);
    await expect.poll(() => lines().map(({ code }) => code)).toEqual([400]);
  });
});

test("a request over HTTP/2 may have as many headers, and none begins with more", async () => {
  const session = connectHttp2(t.url);
  const statusWith = async (count: number) => {
    const more = Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, ""]));
    const stream = session.request({ ":path": "/healthz", ...more });
    const [head] = await once(stream.resume(), "response");
    return head[":status"];
  };
  try {
    expect(await statusWith(100)).toBe(200);
    await expect(statusWith(101)).rejects.toThrow("ENHANCE_YOUR_CALM");
  } finally {
    session.destroy();
  }
});

test("when the last client has left, nothing is open", async () => {
  await expect.poll(() => Object.entries(t.counters()).filter(([, n]) => n !== 0)).toEqual([]);
});
