import { ConnectError, type Interceptor } from "@connectrpc/connect";

/** The library's messages for an answer of what does not have Posthaste's API at this path. */
const OTHER_SERVER = /^(?:HTTP (?:3\d\d|404|405)$|unsupported content type )/;

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
      const hint = `check baseUrl: ${origin}${pathname} does not answer as Posthaste's API does`;
      throw new ConnectError(`${rawMessage.trim()}; ${hint}`, code, metadata, undefined, cause);
    }
  };
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
