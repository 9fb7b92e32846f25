import type { DescMessage, JsonReadOptions } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { namesOfType } from "./request-fields.ts";
import { wrapHandlers } from "./wrap-handlers.ts";

/** Decodes UTF-8, and refuses bytes that are none: replaced, they would be stored as something else. */
const utf8 = new TextDecoder("utf-8", { fatal: true });
function strictUtf8(bytes?: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ConnectError("the message is not valid UTF-8", Code.InvalidArgument);
  }
}

/**
 * Returns how JSON messages are read, in every protocol.
 *
 * @param refuseUnknown whether a field or enum name that the contracts do not know is refused. Ignored, a
 *   misspelt `idempotencyKy` would make every repetition a new event.
 * @param request what the method takes. Default: any message
 */
export function strictJson(refuseUnknown: boolean, request?: DescMessage): Partial<JsonReadOptions> {
  const refuseDays = request === undefined ? () => {} : refuseDaysOfNoMonth(request);
  const decode = (bytes?: Uint8Array) => {
    const text = strictUtf8(bytes);
    refuseDays(text);
    return text;
  };
  // Connect reads the decoder from the same options, which its type leaves out.
  const options = { ignoreUnknownFields: !refuseUnknown, textDecoder: { decode } };
  return options;
}

/**
 * Returns what refuses a message's JSON if a time in it names a day that its month does not have, such as
 * February 30. Protobuf's library takes it for March 2.
 */
function refuseDaysOfNoMonth(request: DescMessage): (json: string) => void {
  const names = namesOfType(request, "google.protobuf.Timestamp");
  if (names.length === 0) return () => {};
  const days = new RegExp(`"(${names.join("|")})"\\s*:\\s*"(\\d{4})-(\\d\\d)-(\\d\\d)T`, "g");
  return (json) => {
    for (const [, name = "", year, month, day] of json.matchAll(days)) {
      if (Number(day) <= daysIn(Number(year), Number(month))) continue;
      // The words in which the library refuses a field, which are completed like its own.
      const words = `there is no day ${year}-${month}-${day}`;
      const text = `cannot decode field ${request.typeName}.${name} from JSON: ${words}`;
      throw new ConnectError(text, Code.InvalidArgument);
    }
  };
}

/** The days of a month, 1 to 12, of which the last comes before the first of the next. */
function daysIn(year: number, month: number): number {
  const first = new Date(0);
  first.setUTCFullYear(year, month, 0);
  return first.getUTCDate();
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
