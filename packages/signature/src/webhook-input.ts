import { SignatureError } from "./signature-error.ts";

/** A `Headers`, also one of another realm or library, or a `Map`. */
type Gettable = { get(name: string): unknown };

/** Headers as servers have them. Names may be in any case. */
export type HeadersLike = Gettable | Readonly<Record<string, string | readonly string[] | undefined>>;

const HEADER_CHARS_MAX = 4_096;

/**
 * Returns a header's value.
 *
 * @param name in lower case
 * @throws SignatureError `malformed`, which says what is wrong with it
 */
export function headerOf(headers: unknown, name: string): string {
  const values = valuesOf(headers, name).flat();
  const [value] = values;
  const refused = (what: string) => new SignatureError("malformed", `the header ${name} ${what}`);
  if (values.length > 1) throw refused("is repeated");
  if (value === undefined || value === null) throw refused("is missing");
  if (typeof value !== "string") throw refused(`is no text, but a ${typeof value}`);
  if (value === "") throw refused("is empty");
  if (value.length > HEADER_CHARS_MAX) throw refused(`is longer than ${HEADER_CHARS_MAX} characters`);
  return value;
}

function valuesOf(headers: unknown, name: string): unknown[] {
  if (typeof headers !== "object" || headers === null) return [];
  const isMap = headers instanceof Map;
  if (!isMap && "get" in headers && typeof headers.get === "function") return [headers.get(name)];
  const entries: Iterable<[unknown, unknown]> = isMap ? headers : Object.entries(headers);
  const isIts = ([key]: [unknown, unknown]) => typeof key === "string" && key.toLowerCase() === name;
  return [...entries].filter(isIts).map(([, value]) => value);
}

/**
 * Returns the bytes of a body.
 *
 * @throws SignatureError `bad_body` if it has none, which is the receiver's mistake and not the sender's
 */
export function bytesOfBody(body: unknown): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (isArrayBuffer(body)) return new Uint8Array(body);
  if (typeof body === "object" && body !== null && "arrayBuffer" in body) {
    const cure = "pass what its arrayBuffer() resolves to, or give a Request to verifyRequest";
    throw new SignatureError("bad_body", `the body is a Request, a Response or a Blob: ${cure}`);
  }
  const what = typeof body === "object" && body !== null ? "the body is a parsed object" : "there is no body";
  throw new SignatureError(
    "bad_body",
    `${what}: pass its bytes as received, in Express with express.raw({ type: "application/json" }) instead of ` +
      "express.json() on this route",
  );
}

/** Also of another realm, as in a test runner. */
function isArrayBuffer(body: unknown): body is ArrayBuffer {
  return Object.prototype.toString.call(body) === "[object ArrayBuffer]";
}
