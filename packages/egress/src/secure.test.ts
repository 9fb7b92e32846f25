import { once } from "node:events";
import { type AddressInfo, createServer as createNetServer, connect as dial } from "node:net";
import { createServer, type TlsOptions } from "node:tls";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { certificateFor, certificateForClients } from "@posthaste/testkit";
import { afterEach, beforeAll, expect, test } from "vitest";
import { classifyError } from "./classify-error.ts";
import { Connection } from "./connection.ts";
import { createEgress } from "./egress.ts";
import { secure } from "./secure.ts";
import { HANDSHAKE_BYTES_MAX } from "./tls-guard.ts";
import { createTlsReads, createTlsTurns, type TlsTurns } from "./tls-turns.ts";

const ACCOUNT = 7 as AccountId;
const OTHER_ACCOUNT = 8 as AccountId;
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
const RULES = { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT };
const LOOPBACK = { address: "127.0.0.1", family: 4 };
const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
let certificate: Awaited<ReturnType<typeof certificateFor>>;
beforeAll(async () => {
  certificate = await certificateFor("localhost");
});
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Starts a receiver that answers every request. */
async function receiver(options: TlsOptions = {}, answer = ANSWER) {
  const server = createServer({ ...certificate, ...options }, (socket) =>
    socket.on("error", () => {}).on("data", () => socket.write(answer)),
  );
  let open = 0;
  server.on("connection", (socket) => {
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  stops.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, open: () => open };
}

async function post(port: number, ca = certificate.cert, timeoutMs = TIMEOUT_MS) {
  const egress = createEgress({ rules: RULES, ca, lookup: async () => [LOOPBACK] });
  stops.push(egress.close);
  return await egress.post({
    url: `https://localhost:${port}/`,
    headers: {},
    body: Buffer.from("[{}]"),
    acceptance: "OK_ONLY",
    accountId: ACCOUNT,
    timeoutMs,
  });
}

/** The receiver's certificate, as often as it takes to send this many bytes of certificates. */
function certificatesOf(bytes: number): string {
  const [, base64 = ""] = certificate.cert
    .split("-----")
    .map((part) => part.replaceAll("\n", "").trim())
    .slice(1);
  const each = Buffer.from(base64, "base64").length;
  return `${certificate.cert}\n`.repeat(Math.ceil(bytes / each));
}

test("a handshake that is too long is cut off with its reason, and the connection is closed", async () => {
  const { port, open } = await receiver({ cert: certificatesOf(HANDSHAKE_BYTES_MAX) });
  expect(await post(port)).toMatchObject({
    outcome: "tls",
    detail: "the receiver's TLS handshake, which is mostly its certificates, is longer than 16 KiB",
    address: `127.0.0.1:${port}`,
  });
  await expect.poll(open).toBe(0);
});

test.each([
  ["closes the connection", true],
  ["leaves the connection open", false],
])("an alert that nobody knows is the receiver's failure, and no fault, if it %s", async (_what, closes) => {
  // A fatal alert with the number 200, which is not assigned.
  const alert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 200]);
  const server = createNetServer((socket) => {
    socket.on("error", () => {}).once("data", () => (closes ? socket.end(alert) : socket.write(alert)));
    stops.push(() => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  stops.push(() => server.close());
  const { outcome } = await post((server.address() as AddressInfo).port, certificate.cert, 500);
  expect(["tls", "reset", "timeout"]).toContain(outcome);
});

test("a certificate that does not verify is told apart from a failing connection, for any reason", async () => {
  const forClients = await certificateForClients("localhost");
  const { port } = await receiver(forClients);
  expect(await post(port, forClients.cert)).toMatchObject({ outcome: "tls", detail: "INVALID_PURPOSE" });
  const other = await receiver();
  expect(await post(other.port, forClients.cert)).toMatchObject({
    outcome: "tls",
    detail: "DEPTH_ZERO_SELF_SIGNED_CERT",
  });
});

test("the certificates of a large chain pass", async () => {
  const { port } = await receiver({ cert: certificatesOf(12_000) });
  expect(await post(port)).toMatchObject({ outcome: "accepted" });
});

test("a handshake that arrives byte by byte passes", async () => {
  const { port } = await receiver();
  const slow = createNetServer((client) => {
    const server = dial(port, "127.0.0.1").on("error", () => client.destroy());
    client
      .on("error", () => server.destroy())
      .setNoDelay(true)
      .pipe(server);
    server.on("data", (bytes) => {
      for (const byte of bytes) client.write(Buffer.from([byte]));
    });
    client.once("close", () => server.destroy());
  });
  await once(slow.listen(0, "127.0.0.1"), "listening");
  stops.push(() => slow.close());
  expect(await post((slow.address() as AddressInfo).port)).toMatchObject({ outcome: "accepted" });
});

test("keys are not exchanged over a prime of the receiver's choice, which may be a long one", async () => {
  const { port } = await receiver({
    maxVersion: "TLSv1.2",
    ciphers: "DHE-RSA-AES128-GCM-SHA256",
    dhparam: "auto",
  });
  expect(await post(port)).toMatchObject({ outcome: "tls", status: null });
});

/** Creates a connection whose handshake takes these turns. */
function connectionIn(turns: TlsTurns, port: number): Connection {
  return new Connection(
    {
      origin: `https://localhost:${port}`,
      rules: RULES,
      addresses: [LOOPBACK],
      proxy: undefined,
      ca: certificate.cert,
      turns,
      idleMs: TIMEOUT_MS,
      abandonMs: TIMEOUT_MS,
      onClosed: () => {},
    },
    0,
  );
}
const MESSAGE = { path: "/", headers: {}, body: Buffer.from("[{}]"), accountId: ACCOUNT };

/** Turns that come at once, and whose they were. */
function notedTurns() {
  const taken: AccountId[] = [];
  const turns: TlsTurns = {
    wait({ accountId }, read) {
      taken.push(accountId);
      setImmediate(read);
      return () => {};
    },
  };
  return { taken, turns };
}

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "all bytes of a handshake are read in turns of the account, and a short answer's at once, with %s",
  async (version) => {
    const { port } = await receiver({ minVersion: version, maxVersion: version });
    const { taken, turns } = notedTurns();
    const connection = connectionIn(turns, port);
    expect(await connection.exchange(MESSAGE)).toMatchObject({ status: 200 });
    const inHandshake = taken.length;
    expect(new Set(taken)).toEqual(new Set([ACCOUNT]));
    expect(await connection.exchange(MESSAGE)).toMatchObject({ status: 200 });
    expect(taken).toHaveLength(inHandshake);
    connection.destroy();
  },
);

test("a receiver that asks for another handshake over the same connection gets none", async () => {
  const { promise: renegotiated, resolve } = Promise.withResolvers<Error | null>();
  const server = createServer({ ...certificate, maxVersion: "TLSv1.2" }, (socket) =>
    socket.on("error", resolve).once("data", () => {
      socket.renegotiate({ rejectUnauthorized: false }, resolve);
    }),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  stops.push(() => server.close());
  const connection = connectionIn(createTlsTurns(), (server.address() as AddressInfo).port);
  connection.exchange(MESSAGE).catch(() => {});
  // Node tells the receiver that it gets none once the connection is closed.
  const closing = setTimeout(() => connection.destroy(), 500);
  expect(await renegotiated).toBeInstanceOf(Error);
  clearTimeout(closing);
});

test("a connection that is closed in its handshake, without an error, counts as a reset", async () => {
  const { port } = await receiver();
  const socket = dial(port, "127.0.0.1");
  await once(socket, "connect");
  const { promise: failure, resolve } = Promise.withResolvers<Error | null>();
  const options = {
    reads: () => createTlsReads(ACCOUNT),
    turns: { wait: () => () => {} },
    onRead: () => {},
    ca: certificate.cert,
    signal: new AbortController().signal,
  };
  const target = { hostname: "localhost", protocol: "https:", port: String(port) };
  secure(socket, target, options, (...[error]) => resolve(error));
  socket.destroy();
  expect(classifyError(await failure)).toEqual({ outcome: "reset", detail: "ECONNRESET" });
});

test.each(["yoursite.example", "yoursite.example."])(
  "the name %s is asked for without a dot",
  async (host) => {
    const own = await certificateFor("yoursite.example");
    const asked: string[] = [];
    const { port } = await receiver({
      ...own,
      SNICallback: (name, callback) => {
        asked.push(name);
        callback(null);
      },
    });
    const egress = createEgress({ rules: RULES, ca: own.cert, lookup: async () => [LOOPBACK] });
    stops.push(egress.close);
    const request = {
      headers: {},
      body: Buffer.from("[{}]"),
      acceptance: "OK_ONLY",
      accountId: ACCOUNT,
    } as const;
    const result = await egress.post({ ...request, url: `https://${host}:${port}/`, timeoutMs: TIMEOUT_MS });
    expect(result).toMatchObject({ outcome: "accepted" });
    expect(asked).toEqual(["yoursite.example"]);
  },
);

test("the end of an attempt ends its handshake, which then takes no turn", async () => {
  const { port, open } = await receiver();
  const taken = { back: 0 };
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const turns: TlsTurns = {
    wait() {
      arrive();
      return () => {
        taken.back += 1;
      };
    },
  };
  const connection = connectionIn(turns, port);
  const exchange = connection.exchange(MESSAGE);
  await arrived;
  connection.destroy();
  await expect(exchange).rejects.toThrow();
  await expect.poll(open).toBe(0);
  expect(taken.back).toBe(1);
});

test("an attempt that ends while it dials leaves no connection behind", async () => {
  let arrived = 0;
  const silent = createNetServer((socket) => {
    arrived += 1;
    socket
      .on("error", () => {})
      .once("close", () => {
        arrived -= 1;
      });
    // So that the test knows that it has arrived.
    socket.resume().write("x");
  });
  await once(silent.listen(0, "127.0.0.1"), "listening");
  stops.push(() => silent.close());
  const connection = connectionIn(createTlsTurns(), (silent.address() as AddressInfo).port);
  const exchange = connection.exchange(MESSAGE);
  exchange.catch(() => {});
  // The dial has begun, and its end is not yet known here.
  await Promise.resolve();
  connection.destroy();
  await expect(exchange).rejects.toThrow();
  // One that arrives later has arrived after it.
  const later = dial((silent.address() as AddressInfo).port, "127.0.0.1");
  await once(later, "data");
  await expect.poll(() => arrived).toBe(1);
  later.destroy();
});

/** Long enough that its bytes are read in turns. */
const LONG_ANSWER = `HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n${"x".repeat(10_000)}`;

test("a long answer is read in turns of its request's account, whichever opened the connection", async () => {
  const { port } = await receiver({}, LONG_ANSWER);
  const { taken, turns } = notedTurns();
  const connection = connectionIn(turns, port);
  expect((await connection.exchange(MESSAGE)).body).toHaveLength(10_000);
  expect(new Set(taken.splice(0))).toEqual(new Set([ACCOUNT]));
  const { body } = await connection.exchange({ ...MESSAGE, accountId: OTHER_ACCOUNT });
  expect(body).toHaveLength(10_000);
  expect(new Set(taken)).toEqual(new Set([OTHER_ACCOUNT]));
  connection.destroy();
});
