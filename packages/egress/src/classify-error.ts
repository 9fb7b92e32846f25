import type { Outcome } from "@posthaste/domain";
import { ProxyFault } from "./connect.ts";

/** What an error of the HTTP client means: something the receiver or its network did, or a fault of ours. */
export type Classified = { readonly outcome: Outcome; readonly detail: string } | "fault";

const BY_CODE: Readonly<Record<string, Outcome>> = {
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  ETIMEDOUT: "timeout",
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  UND_ERR_SOCKET: "reset",
  ENOTFOUND: "dns",
  ENODATA: "dns",
  EAI_AGAIN: "dns",
  EAI_NODATA: "dns",
  EAI_FAIL: "dns",
  EAI_NONAME: "dns",
  EPROTO: "tls",
  CERT_HAS_EXPIRED: "tls",
  CERT_NOT_YET_VALID: "tls",
  CERT_REVOKED: "tls",
  CERT_UNTRUSTED: "tls",
  DEPTH_ZERO_SELF_SIGNED_CERT: "tls",
  SELF_SIGNED_CERT_IN_CHAIN: "tls",
  UNABLE_TO_GET_ISSUER_CERT: "tls",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "tls",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "tls",
  HOSTNAME_MISMATCH: "tls",
  UND_ERR_HEADERS_OVERFLOW: "invalid_response",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "invalid_response",
  // undici asserts what a server sends: a status from 100 on, and no answer after a change of protocols.
  ERR_ASSERTION: "invalid_response",
};

/** Prefixes of families of codes: OpenSSL and Node's TLS, and the HTTP parser. */
const BY_PREFIX: readonly (readonly [string, Outcome])[] = [
  ["ERR_TLS", "tls"],
  ["ERR_SSL", "tls"],
  ["HPE_", "invalid_response"],
];

/** This process or machine ran out of something, or was programmed wrongly: not the receiver's doing. */
const OURS = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "UND_ERR_INVALID_ARG"]);

/**
 * Decides what an error of an attempt means. An unknown one counts as the receiver's, `unreachable` with its code in
 * the detail: seen in the log and retried on the schedule, it cannot loop unseen.
 */
export function classifyError(error: unknown): Classified {
  if (error instanceof ProxyFault) return "fault";
  const code = codeOf(error);
  if (code === undefined || OURS.has(code)) return "fault";
  const outcome =
    BY_CODE[code] ?? BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? "unreachable";
  return { outcome, detail: code };
}

/** The code of the error, of what it wraps, or of the first of several (one for each address that was dialled). */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  // undici's parser gives a code only to some of its errors.
  if (error instanceof Error && error.name === "HTTPParserError") return "HPE_INVALID";
  if ("code" in error && typeof error.code === "string") {
    // undici's own timeout is later than any deadline. What it calls one here wraps how each address failed.
    const wrapsOthers = error.code === "UND_ERR_CONNECT_TIMEOUT" && "cause" in error;
    return wrapsOthers ? codeOf(error.cause) : error.code;
  }
  if ("errors" in error && Array.isArray(error.errors)) return codeOf(error.errors[0]);
  return "cause" in error ? codeOf(error.cause) : undefined;
}
