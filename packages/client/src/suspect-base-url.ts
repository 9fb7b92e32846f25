import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { refusalOf } from "./refusal-of.ts";

/** The library's message for an answer whose body is no message of this protocol. */
const OTHER_TYPE = /^unsupported content type /;
/** The library's message for an answer with this status, which both Posthaste and proxies give. */
const TOO_LARGE = "HTTP 431";
/** The codes of a proxy that cannot reach the server behind it, or has too many calls for it. */
const PROXYS: ReadonlySet<Code> = new Set([Code.Unavailable, Code.ResourceExhausted]);

/** Node's error codes for TLS where there is none, and for HTTP of another version. */
const OTHER_PROTOCOL: ReadonlySet<unknown> = new Set([
  "EPROTO",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_HTTP2_ERROR",
  "HPE_INVALID_CONSTANT",
]);

/**
 * Names the base URL in errors that come of a wrong one, whose own words do not lead there: in answers that
 * are not Posthaste's, which give a reason, and in those of another protocol.
 */
export function suspectBaseUrl(baseUrl: string): Interceptor {
  const { origin, pathname } = new URL(baseUrl);
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      const { rawMessage, code, metadata, cause } = ConnectError.from(error);
      const isAnswer = metadata.has("content-type") && refusalOf(error) === undefined;
      const isOther = isAnswer || OTHER_TYPE.test(rawMessage) || OTHER_PROTOCOL.has(codeOf(cause));
      if (!isOther) throw error;
      const hint = () => {
        if (rawMessage.includes(TOO_LARGE))
          return "the call has more than 100 headers, or over 16 KiB of them";
        if (isAnswer && PROXYS.has(code)) {
          return `not Posthaste's API, but a server in front of it at ${origin}${pathname} answered`;
        }
        return `check baseUrl: ${origin}${pathname} does not answer as Posthaste's API does`;
      };
      const words = [rawMessage.trim(), hint()].filter((text) => text !== "").join("; ");
      throw new ConnectError(words, code, metadata, undefined, cause);
    }
  };
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
