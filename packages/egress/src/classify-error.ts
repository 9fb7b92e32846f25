import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Outcome } from "@posthaste/domain";
import { ProxyFault } from "./proxy-fault.ts";
import { CertificateRefused } from "./secure.ts";
import { HandshakeTooLong } from "./tls-guard.ts";

/**
 * The meaning of an error of the HTTP client: an outcome that the receiver or its network caused, or a fault.
 */
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
  UND_ERR_HEADERS_OVERFLOW: "invalid_response",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "invalid_response",
  // The errors of `answer.ts` and `connection.ts`.
  TOO_MANY_INTERIM_RESPONSES: "invalid_response",
  TOO_MUCH_FRAMING: "invalid_response",
  // undici asserts that a server sends a status of at least 100, and no response after a protocol switch.
  ERR_ASSERTION: "invalid_response",
};

/** Outcomes by prefix of the code: Node's TLS, OpenSSL, and the HTTP parser. */
const BY_PREFIX: readonly (readonly [string, Outcome])[] = [
  ["ERR_TLS", "tls"],
  ["ERR_SSL", "tls"],
  ["HPE_", "invalid_response"],
];

/** Codes of faults: this process or machine is out of a resource, or the program has a bug. */
const OURS = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EAI_MEMORY", "UND_ERR_INVALID_ARG"]);
/**
 * A fault: all ports are in use. But for an IPv6 address, it may be that the machine has none of its own, as
 * in most containers. That will not pass, and is for the receiver's owner to know.
 */
const NO_ADDRESS = "EADDRNOTAVAIL";
/** With these, an IPv6 address says nothing about a receiver that has IPv4 addresses, too. */
const WITHOUT_IPV6 = new Set([NO_ADDRESS, "ENETUNREACH", "EHOSTUNREACH"]);

/**
 * Classifies the error of an attempt. An unknown code counts as `unreachable`, with the code in the detail,
 * and not as a fault: it is then visible in the attempt log, and the schedule limits its retries.
 *
 * @param hasIpv6 returns whether this machine has an IPv6 address of its own
 */
export function classifyError(error: unknown, hasIpv6 = hasOwnIpv6): Classified {
  if (error instanceof HandshakeTooLong) return { outcome: "tls", detail: error.message };
  if (error instanceof CertificateRefused) return { outcome: "tls", detail: error.code };
  const parts = partsOf(error);
  const isOurs = ({ code = "", address = "" }: Part) =>
    OURS.has(code) || (code === NO_ADDRESS && !isIPv6(address));
  if (parts.some(isOurs)) return "fault";
  if (parts.some(({ code }) => code === NO_ADDRESS) && hasIpv6()) return "fault";
  // Of several tunnels, those count for which the proxy was reached.
  const tried = parts.filter(({ isOfProxy = false }) => !isOfProxy);
  const isWithoutIpv6 = ({ code = "", address = "" }: Part) => WITHOUT_IPV6.has(code) && isIPv6(address);
  const { code } = tried.find((part) => !isWithoutIpv6(part)) ?? tried[0] ?? {};
  if (code === undefined) return "fault";
  const outcome =
    BY_CODE[code] ?? BY_PREFIX.find(([prefix]) => code.startsWith(prefix))?.[1] ?? "unreachable";
  return { outcome, detail: code };
}

/**
 * Returns whether this process or machine lacks what an attempt needs, such as a file descriptor: no other
 * address helps, and the attempt is not to be spent while one of them hangs.
 */
export function isLack(error: unknown): boolean {
  return partsOf(error).some(({ code = "" }) => OURS.has(code));
}

function hasOwnIpv6(): boolean {
  try {
    const addresses = Object.values(networkInterfaces()).flatMap((ofInterface) => ofInterface ?? []);
    return addresses.some(({ family, internal }) => family === "IPv6" && !internal);
  } catch {
    // A sandbox may forbid to ask. Most have no IPv6.
    return false;
  }
}

type Part = {
  readonly code?: string;
  readonly address?: string;
  /** The proxy could not be reached, or refuses the credentials: the receiver was not tried. */
  readonly isOfProxy?: boolean;
};

/**
 * Returns the codes of the error, of its cause, or of several errors (one for each dialled address), and the
 * addresses that they name.
 */
function partsOf(error: unknown): readonly Part[] {
  if (typeof error !== "object" || error === null) return [];
  if (error instanceof ProxyFault) return partsOf(error.cause).map((part) => ({ ...part, isOfProxy: true }));
  // Not all errors of undici's parser have a code.
  if (error instanceof Error && error.name === "HTTPParserError") return [{ code: "HPE_INVALID" }];
  if ("errors" in error && Array.isArray(error.errors)) return error.errors.flatMap(partsOf);
  if ("code" in error && typeof error.code === "string") {
    // undici's connect timeout is later than any deadline. One with a cause wraps the errors of all
    // addresses.
    if (error.code === "UND_ERR_CONNECT_TIMEOUT" && "cause" in error) return partsOf(error.cause);
    const address = "address" in error && typeof error.address === "string" ? error.address : "";
    return [{ code: error.code, address }];
  }
  return "cause" in error ? partsOf(error.cause) : [];
}
