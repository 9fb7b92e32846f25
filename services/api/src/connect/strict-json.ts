import type { JsonReadOptions } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { wrapHandlers } from "./wrap-handlers.ts";

/** Decodes UTF-8, and refuses bytes that are none: replaced, they would be stored as something else. */
const utf8 = new TextDecoder("utf-8", { fatal: true });
const strictUtf8 = {
  decode(bytes?: Uint8Array): string {
    try {
      return utf8.decode(bytes);
    } catch {
      throw new ConnectError("the message is not valid UTF-8", Code.InvalidArgument);
    }
  },
};

/**
 * Returns how JSON messages are read, in every protocol.
 *
 * @param refuseUnknown whether a field or enum name that the contracts do not know is refused. Ignored, a
 *   misspelt `idempotencyKy` would make every repetition a new event.
 */
export function strictJson(refuseUnknown: boolean): Partial<JsonReadOptions> {
  // Connect reads the decoder from the same options, which its type leaves out.
  const options = { ignoreUnknownFields: !refuseUnknown, textDecoder: strictUtf8 };
  return options;
}

/**
 * Passes the message of a GET call on as the bytes that the caller encoded. Connect reads the query as text,
 * in which invalid UTF-8 is replaced already.
 */
export function keepBytesOfQueries(router: ConnectRouter): void {
  wrapHandlers(router, (handler) => (request) => {
    if (request.method !== "GET") return handler(request);
    return handler({ ...request, url: withMessageInBase64(request.url) });
  });
}

function withMessageInBase64(href: string): string {
  const url = new URL(href);
  const encoded = /[?&]message=([^&]*)/.exec(url.search)?.[1];
  if (encoded === undefined || url.searchParams.get("base64") === "1") return href;
  const latin1 = encoded
    .replaceAll("+", " ")
    .replaceAll(/%([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  url.searchParams.set("message", Buffer.from(latin1, "latin1").toString("base64url"));
  url.searchParams.set("base64", "1");
  return url.href;
}
