import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

/** What a connection with TLS is given as PEM, by whom it trusts and who it is itself. */
export type Pem = {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
};

/** Why {@link Pem} cannot be used. */
export type PemProblem =
  /** `ca` holds no certificate, or a damaged one. OpenSSL passes over that: later, nothing verifies. */
  | "no_authority"
  /** `cert` or `key` lacks the other. Libraries then use neither. */
  | "no_pair"
  /** `cert` and `key` are no certificate with its key. */
  | "malformed_pair";

/** Tells at the start what a library would pass over, or find out in the middle of a handshake. */
export function pemProblem({ ca, cert, key }: Pem): PemProblem | undefined {
  if (ca !== undefined && !areCertificates(ca)) return "no_authority";
  if ((cert === undefined) !== (key === undefined)) return "no_pair";
  return cert === undefined || isUsable({ cert, key }) ? undefined : "malformed_pair";
}

/** Where a block of PEM begins. A file may begin with a byte order mark. */
const BLOCK = /^\uFEFF?(?=-----BEGIN )/m;
const CERTIFICATE = /^-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;

/** Returns whether there are certificates in PEM, all of them whole. Other text is passed over. */
function areCertificates(pem: string | Buffer): boolean {
  const certificates = pem
    .toString()
    .split(BLOCK)
    .filter((block) => CERTIFICATE.test(block));
  return certificates.length > 0 && certificates.every(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

function isUsable({ cert, key }: Pem): boolean {
  try {
    // An empty text would be passed over.
    createSecureContext({ cert: cert || "none", key: key || "none" });
    return true;
  } catch {
    return false;
  }
}
