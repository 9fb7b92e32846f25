import { createCipheriv, createHmac } from "node:crypto";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { Certificate } from "@posthaste/testkit";

/** A cipher suite whose keys are easily derived. */
const CIPHER = "TLS_AES_128_GCM_SHA256";
const HASH = "sha256";
const [KEY_BYTES, IV_BYTES, TAG_BYTES, RECORD_HEAD_BYTES] = [16, 12, 16, 5];
const [ALERT, APPLICATION_DATA] = [21, 23];
const FATAL = 2;

/** A TLS connection of a server, which can send an alert. */
export type Alerting = { readonly secured: TLSSocket; alert(description: number): void };

/**
 * Serves TLS 1.3 and asks for a client's certificate. OpenSSL's servers send an alert if there is none, and
 * Node's close the connection without one. So it is encrypted here, with the connection's keys (RFC 8446,
 * sections 5.2, 5.3 and 7.3).
 */
export function alerting(socket: Socket, certificate: Certificate): Alerting {
  let secret = Buffer.alloc(0);
  let flights = 0;
  /** The records that were sent after the server's handshake. */
  let records = 0;
  const wire = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      flights += 1;
      if (flights > 1) records += recordsIn(bytes);
      socket.write(bytes, done);
    },
  });
  const secured = new TLSSocket(wire, {
    ...certificate,
    ...{ isServer: true, requestCert: true, rejectUnauthorized: false },
    ...{ minVersion: "TLSv1.3", ciphers: CIPHER },
  });
  secured.on("error", () => {});
  secured.on("keylog", (line: Buffer) => {
    const [label, , hex = ""] = line.toString().trim().split(" ");
    if (label === "SERVER_TRAFFIC_SECRET_0") secret = Buffer.from(hex, "hex");
  });
  socket.on("data", (bytes) => wire.push(bytes)).once("close", () => wire.destroy());
  return {
    secured,
    alert: (description) => socket.write(record(secret, records, Buffer.of(FATAL, description, ALERT))),
  };
}

function recordsIn(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at += RECORD_HEAD_BYTES + bytes.readUInt16BE(at + 3)) count += 1;
  return count;
}

/** Encrypts a record, the nth from 0. The content's last byte is its type. */
function record(secret: Buffer, nth: number, content: Buffer): Buffer {
  const head = Buffer.of(APPLICATION_DATA, 3, 3, 0, content.length + TAG_BYTES);
  const nonce = derive(secret, "iv", IV_BYTES);
  nonce.writeUInt8(nonce.readUInt8(IV_BYTES - 1) ^ nth, IV_BYTES - 1);
  const cipher = createCipheriv("aes-128-gcm", derive(secret, "key", KEY_BYTES), nonce).setAAD(head);
  return Buffer.concat([head, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

/** Derives a key from a secret: HKDF-Expand-Label, with one round. */
function derive(secret: Buffer, name: string, bytes: number): Buffer {
  const label = Buffer.from(`tls13 ${name}`);
  const info = Buffer.concat([Buffer.of(0, bytes, label.length), label, Buffer.of(0, 1)]);
  return createHmac(HASH, secret).update(info).digest().subarray(0, bytes);
}
