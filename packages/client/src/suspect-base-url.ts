import { ConnectError, type Interceptor } from "@connectrpc/connect";

/**
 * The library's messages for an answer of what does not have Posthaste's API at this path, and the message of
 * servers of gRPC for a service that they do not have. Posthaste's own refusals have words of their own.
 */
const OTHER_SERVER = /^(?:HTTP [345]\d\d$|unsupported content type |unknown (?:service|method) )/;
/** Those of a proxy that cannot reach the server behind it, or has too many calls for it. */
const PROXY = /^HTTP (?:429|502|503|504)$/;

/** Node's error codes for TLS where there is none, and for HTTP of another version. */
const OTHER_PROTOCOL: ReadonlySet<unknown> = new Set([
  "EPROTO",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_HTTP2_ERROR",
  "HPE_INVALID_CONSTANT",
]);

/** Names the base URL in errors that come of a wrong one, whose own words do not lead there. */
export function suspectBaseUrl(baseUrl: string): Interceptor {
  const { origin, pathname } = new URL(baseUrl);
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      const { rawMessage, code, metadata, cause } = ConnectError.from(error);
      const isOther = OTHER_SERVER.test(rawMessage) || OTHER_PROTOCOL.has(codeOf(cause));
      if (!isOther) throw error;
      const hint = PROXY.test(rawMessage)
        ? `not Posthaste's API, but a server in front of it at ${origin}${pathname} answered`
        : `check baseUrl: ${origin}${pathname} does not answer as Posthaste's API does`;
      throw new ConnectError(`${rawMessage.trim()}; ${hint}`, code, metadata, undefined, cause);
    }
  };
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
