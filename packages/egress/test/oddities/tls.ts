import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { TLSSocket, TlsOptions } from "node:tls";
import { certificateFor, expiredCertificateFor } from "@posthaste/testkit";
import { type Alerting, alerting } from "./alerting-server.ts";
import { seenOf } from "./bench.ts";
import { type Answer, type Bench, HOST, type Oddity, OK, okWith } from "./oddity.ts";

/** Alerts of TLS (RFC 8446, section 6). */
const [UNKNOWN_CA, CERTIFICATE_REQUIRED] = [48, 116];

/** Sends two deliveries to a receiver that does this with each connection. */
async function alerted(bench: Bench, act: (socket: Socket, server: Alerting, nth: number) => void) {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    bench.later(() => socket.destroy());
    act(
      socket.on("error", () => {}),
      alerting(socket, bench.certificate),
      connections,
    );
  });
  const url = `https://${HOST}:${await listen(bench, server)}/`;
  await bench.post({ url });
  const seen = seenOf(await bench.post({ url }));
  return { ...seen, requests: connections };
}

async function listen(bench: Bench, server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  bench.later(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Sends a delivery to a receiver with this certificate or name. */
async function secured(
  bench: Bench,
  { host = HOST, ca, ...tls }: TlsOptions & { host?: string; ca?: string },
) {
  const site = await bench.receive({ answer: namingSni, tls });
  const trusted = ca === undefined ? {} : { ca };
  return seenOf(await bench.post({ url: `https://${host}:${site.port}/`, ...trusted }));
}

/** Answers with the name that the client has asked for. */
const namingSni: Answer = ({ socket }) => socket.write(okWith(`x-sni: ${(socket as TLSSocket).servername}`));

/** Sends a delivery by https to a server that answers the first bytes with this. */
async function mistaken(bench: Bench, answer: string) {
  const server = createServer((socket) => {
    bench.later(() => socket.destroy());
    socket.on("error", () => {}).once("data", () => socket.end(answer));
  });
  return seenOf(await bench.post({ url: `https://${HOST}:${await listen(bench, server)}/` }));
}

export const TLS: readonly Oddity[] = [
  {
    what: "needs a client's certificate, with TLS 1.3",
    note: "the alert is named",
    clause: "RFC 8446 6.2",
    expected: { outcome: "tls", detail: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" },
    find: (bench) =>
      alerted(bench, (socket, { secured, alert }) =>
        secured.once("secure", () => {
          alert(CERTIFICATE_REQUIRED);
          socket.end();
        }),
      ),
  },
  {
    what: "says after the handshake that it does not know the authority, and leaves the connection open",
    note: "the alert is named",
    clause: "RFC 8446 6.2",
    expected: { outcome: "tls", detail: "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA" },
    find: (bench) =>
      alerted(bench, (_socket, { secured, alert }) => secured.once("secure", () => alert(UNKNOWN_CA))),
  },
  {
    what: "sends an alert behind a complete response",
    ...{ clause: "RFC 8446 6.2", expected: { outcome: "accepted", body: "ok", requests: 2 } },
    find: (bench) =>
      alerted(bench, (_socket, { secured, alert }) =>
        secured.once("data", () => {
          secured.write(OK);
          alert(UNKNOWN_CA);
        }),
      ),
  },
  {
    what: "ends a connection that was used before with an alert instead of a response",
    note: "sent once more",
    ...{ clause: "RFC 9112 9.3.1", expected: { outcome: "accepted", body: "ok", requests: 2 } },
    find: (bench) =>
      alerted(bench, (_socket, { secured, alert }, nth) => {
        let isFirst = true;
        secured.on("data", (bytes: Buffer) => {
          if (!bytes.toString().endsWith("[{}]")) return;
          if (isFirst || nth > 1) secured.write(OK);
          else alert(UNKNOWN_CA);
          isFirst = false;
        });
      }),
  },
  {
    what: "has a certificate of another name",
    clause: "RFC 9525 6.3",
    expected: { outcome: "tls", detail: "ERR_TLS_CERT_ALTNAME_INVALID" },
    find: (bench) => secured(bench, { host: "other.example" }),
  },
  {
    what: "has a certificate with a wildcard for its name",
    ...{ clause: "RFC 9525 6.3", expected: { outcome: "accepted" } },
    find: (bench) => secured(bench, { host: "a.wild.example" }),
  },
  {
    what: "has a certificate with a wildcard for one label, and its name has two there",
    ...{ clause: "RFC 9525 6.3", expected: { outcome: "tls", detail: "ERR_TLS_CERT_ALTNAME_INVALID" } },
    find: (bench) => secured(bench, { host: "a.b.wild.example" }),
  },
  {
    what: "has a certificate that has expired",
    ...{ clause: "RFC 5280 6.1.3", expected: { outcome: "tls", detail: "CERT_HAS_EXPIRED" } },
    find: async (bench) => {
      const expired = await expiredCertificateFor(HOST);
      return await secured(bench, { ...expired, ca: expired.cert });
    },
  },
  {
    what: "has a certificate of an authority that nobody knows",
    ...{ clause: "RFC 5280 6.1", expected: { outcome: "tls", detail: "DEPTH_ZERO_SELF_SIGNED_CERT" } },
    find: async (bench) => await secured(bench, await certificateFor(HOST)),
  },
  {
    what: "has a certificate of its address, which is in the URL",
    note: "no name is asked for",
    clause: "RFC 6066 3",
    expected: {
      outcome: "accepted",
      headers: [
        ["x-sni", "false"],
        ["content-length", "2"],
      ],
    },
    find: (bench) => secured(bench, { host: "127.0.0.1" }),
  },
  {
    what: "has a name in the URL that ends with a dot",
    note: "the name is asked for without it",
    clause: "RFC 6066 3",
    expected: {
      outcome: "accepted",
      headers: [
        ["x-sni", HOST],
        ["content-length", "2"],
      ],
    },
    find: (bench) => secured(bench, { host: `${HOST}.` }),
  },
  {
    what: "speaks TLS 1.1 alone",
    ...{ clause: "RFC 8996 5", expected: { outcome: "tls", status: null } },
    receiver: {
      answer: OK,
      tls: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
    },
  },
  {
    what: "speaks TLS 1.2 alone",
    ...{ clause: "RFC 9325 3.1.1", expected: { outcome: "accepted", isReused: true } },
    receiver: { answer: OK, tls: { maxVersion: "TLSv1.2" } },
  },
  {
    what: "asks for a client's certificate, and needs none",
    ...{ clause: "RFC 8446 4.4.2", expected: { outcome: "accepted", isReused: true } },
    receiver: { answer: OK, tls: { requestCert: true, rejectUnauthorized: false } },
  },
  {
    what: "needs a client's certificate, with TLS 1.2",
    ...{ clause: "RFC 5246 7.4.6", expected: { outcome: "tls", status: null } },
    receiver: { answer: OK, tls: { maxVersion: "TLSv1.2", requestCert: true, rejectUnauthorized: true } },
  },
  {
    what: "speaks HTTP/2 alone",
    ...{ clause: "RFC 7301 3.2", expected: { outcome: "tls", status: null } },
    receiver: { answer: OK, tls: { ALPNProtocols: ["h2"] } },
  },
  {
    what: "exchanges keys over a prime of its own (DHE) alone",
    ...{ clause: "RFC 9325 4.2", isOwnBound: true, expected: { outcome: "tls", status: null } },
    receiver: {
      answer: OK,
      tls: { maxVersion: "TLSv1.2", ciphers: "DHE-RSA-AES128-GCM-SHA256", dhparam: "auto" },
    },
  },
  {
    what: "has a handshake of more than 16 KiB",
    ...{ clause: "RFC 8446 4.4.2", isOwnBound: true, expected: { outcome: "tls", status: null } },
    receiver: { answer: OK, tls: ({ cert }) => ({ cert: `${cert}\n`.repeat(30) }) },
  },
  {
    what: "negotiates again, with TLS 1.2",
    ...{ clause: "RFC 9325 3.5", expected: { outcome: "tls", status: null } },
    receiver: {
      answer: ({ socket }) => (socket as TLSSocket).renegotiate({}, () => {}),
      tls: { maxVersion: "TLSv1.2" },
    },
  },
  {
    what: "speaks HTTP without TLS at an https URL",
    ...{ clause: "RFC 8446 5", expected: { outcome: "tls", status: null } },
    find: (bench) => mistaken(bench, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
  },
  {
    what: "speaks TLS at an http URL, and answers with an alert",
    ...{ clause: "RFC 9112 4", expected: { outcome: "invalid_response", status: null } },
    receiver: { answer: "\x15\x03\x01\x00\x02\x02\x46", closes: true },
  },
  {
    what: "closes without the end of TLS (close_notify), behind a response with a length",
    ...{ clause: "RFC 9112 9.8", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: { answer: ({ socket }) => socket.write(OK, () => socket.destroy()), tls: {} },
  },
  {
    what: "closes without the end of TLS, and its response ends with the connection",
    note: "its status is known",
    ...{ clause: "RFC 9112 9.8", expected: { outcome: "accepted", body: "ok", isReused: false } },
    receiver: {
      answer: ({ socket }) => socket.write("HTTP/1.1 200 OK\r\n\r\nok", () => socket.destroy()),
      tls: {},
    },
  },
];
