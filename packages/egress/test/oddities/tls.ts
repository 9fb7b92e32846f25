import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type Alerting, alerting } from "./alerting-server.ts";
import { seenOf } from "./bench.ts";
import { type Bench, HOST, type Oddity, OK } from "./oddity.ts";

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
  await once(server.listen(0, "127.0.0.1"), "listening");
  bench.later(() => server.close());
  const url = `https://${HOST}:${(server.address() as AddressInfo).port}/`;
  await bench.post({ url });
  const seen = seenOf(await bench.post({ url }));
  return { ...seen, requests: connections };
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
];
