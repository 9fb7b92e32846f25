import { constants } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import { connect, DEFAULT_CIPHERS } from "node:tls";
import type { buildConnector } from "undici";
import { TlsGuard, type TlsGuardOptions } from "./tls-guard.ts";

/**
 * An exchange of keys over a prime of the receiver's choice (DHE) takes tenths of a second with a long one.
 * Browsers have offered none for years.
 */
const CIPHERS = `${DEFAULT_CIPHERS}:!kDHE`;
/** A receiver could ask for another handshake over the same connection as often as it likes. */
const OPTIONS = constants.SSL_OP_NO_RENEGOTIATION;
/**
 * By default, undici offers HTTP/2. An HTTP/2 connection would carry many requests at once, and its responses
 * have no raw headers, which the attempt log keeps.
 */
const PROTOCOLS = ["http/1.1"];

/** The receiver's certificate does not verify. */
export class CertificateRefused extends Error {
  override readonly name = "CertificateRefused";
  /** What is wrong with it: Node's code, such as `CERT_HAS_EXPIRED`. */
  readonly code: string;
  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause });
    this.code = cause.code ?? "UNSPECIFIED";
  }
}

/**
 * Makes a connection secure, and verifies the receiver's certificate against the URL's host.
 *
 * @param ca PEM. Undefined: Node's default authorities
 * @param signal aborted if the attempt ends before that is done
 */
export function secure(
  socket: Socket,
  { hostname }: buildConnector.Options,
  {
    ca,
    signal,
    ...options
  }: TlsGuardOptions & { readonly ca: string | undefined; readonly signal: AbortSignal },
  callback: buildConnector.Callback,
): void {
  const guard = addAbortSignal(signal, new TlsGuard(socket, options));
  // The dot of an absolute name belongs to no certificate and to no SNI (RFC 6066, section 3).
  const host = hostname.replace(/\.$/, "");
  const secured = connect({
    socket: guard,
    host,
    servername: isIP(host) === 0 ? host : "",
    ca,
    ciphers: CIPHERS,
    secureOptions: OPTIONS,
    ALPNProtocols: PROTOCOLS,
  });
  let isOver = false;
  const end = (...result: Parameters<buildConnector.Callback>) => {
    if (isOver) return;
    isOver = true;
    callback(...result);
  };
  secured.once("secureConnect", () => {
    guard.endHandshake();
    end(null, secured);
  });
  secured.on("error", (error) => {
    // After the handshake, which with TLS 1.3 is when a receiver says that it wants a client's certificate,
    // Node goes on until the connection is closed, and that would be the error. What came before the error is
    // read first.
    process.nextTick(() => secured.destroy());
    const isVerified = (secured.authorizationError ?? null) === null;
    end(isVerified ? error : new CertificateRefused(error), null);
  });
  secured.once("close", () => {
    const error = new Error("the connection was closed in the TLS handshake");
    end(Object.assign(error, { code: "ECONNRESET" }), null);
  });
}
