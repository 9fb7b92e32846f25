import type { DescMessage, JsonReadOptions } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
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
  const refuse = request === undefined ? () => {} : refuseTimesThatAreNone(request);
  const decode = (bytes?: Uint8Array) => {
    const text = strictUtf8(bytes);
    refuse(text);
    return text;
  };
  // Connect reads the decoder from the same options, which its type leaves out.
  const options = { ignoreUnknownFields: !refuseUnknown, textDecoder: { decode } };
  return options;
}

/** The day and the hour of a time in JSON, as RFC 3339 writes it. */
const DAY_AND_HOUR = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)/;

/**
 * Returns what refuses a message's JSON if one of its times is in a day that its month does not have, such as
 * February 30, or in an hour 24. Protobuf's library takes it for a time of a later day.
 */
function refuseTimesThatAreNone(request: DescMessage): (json: string) => void {
  const fields = request.fields.filter(({ message }) => message?.typeName === "google.protobuf.Timestamp");
  if (fields.length === 0) return () => {};
  const names = fields.flatMap(({ name, jsonName }) => [...new Set([name, jsonName])]);
  return (json) => {
    const members = objectOf(json);
    for (const name of names) {
      const [, year, month, day, hour] = DAY_AND_HOUR.exec(String(members[name])) ?? [];
      if (day === undefined) continue;
      const isDay = Number(day) <= daysIn(Number(year), Number(month));
      if (isDay && Number(hour) < 24) continue;
      const words = isDay ? `there is no hour ${hour}` : `there is no day ${year}-${month}-${day}`;
      // The words in which the library refuses a field, which are completed like its own.
      const text = `cannot decode field ${request.typeName}.${name} from JSON: ${words}`;
      throw new ConnectError(text, Code.InvalidArgument);
    }
  };
}

/** Returns the members of an object in JSON; none if it is something else, which the library refuses. */
function objectOf(json: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(json) };
  } catch {
    return {};
  }
}

/** The days of a month, 1 to 12: its last is the one before the first of the next. */
function daysIn(year: number, month: number): number {
  const last = new Date(0);
  last.setUTCFullYear(year, month, 0);
  return last.getUTCDate();
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
