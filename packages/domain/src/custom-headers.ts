import { Refusal } from "./refusal.ts";

/** Custom headers of one subscription: what gateways and receivers ask for are one or two. */
export const CUSTOM_HEADERS_MAX = 20;
export const CUSTOM_HEADER_NAME_CHARS_MAX = 64;
/** Names and values together: receivers commonly take 8 KiB of headers, ours included. */
export const CUSTOM_HEADERS_CHARS_MAX = 4_096;

/** What makes the request what it is, or is between two hops; `webhook-` and `proxy-` as a whole are refused, too. */
const RESERVED: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "traceparent",
  "tracestate",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
]);

/**
 * Checks the headers that an owner wants sent with every attempt.
 *
 * @returns them by lower-case name, without white space around their values
 * @throws Refusal `invalid`, naming the header and never its value
 */
export function parseCustomHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers);
  const refuse = (message: string) => new Refusal("invalid", message, { field: "headers" });
  if (entries.length > CUSTOM_HEADERS_MAX) {
    throw refuse(`headers has ${entries.length} entries; at most ${CUSTOM_HEADERS_MAX} are possible`);
  }
  const parsed = new Map<string, string>();
  let chars = 0;
  for (const [written, value] of entries) {
    const name = written.toLowerCase();
    const shown = JSON.stringify(written.slice(0, CUSTOM_HEADER_NAME_CHARS_MAX));
    // Narrower than a token (RFC 9110, section 5.6.2): what headers are really called.
    if (!/^[0-9a-z][0-9a-z_-]*$/.test(name) || name.length > CUSTOM_HEADER_NAME_CHARS_MAX) {
      throw refuse(`${shown} is no header's name: use up to 64 letters, digits, - and _`);
    }
    if (RESERVED.has(name) || /^(webhook|proxy)-/.test(name)) {
      throw refuse(`the header ${shown} is set by Posthaste or by the connection; choose another name`);
    }
    if (parsed.has(name)) throw refuse(`the header ${shown} comes twice, in two spellings`);
    const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, "");
    if (!/^[\t\x20-\x7e]+$/.test(trimmed)) {
      throw refuse(`the value of the header ${shown} is empty, or has characters that are not visible ASCII`);
    }
    chars += name.length + trimmed.length;
    parsed.set(name, trimmed);
  }
  if (chars > CUSTOM_HEADERS_CHARS_MAX) {
    throw refuse(`headers has ${chars} characters in all; at most ${CUSTOM_HEADERS_CHARS_MAX} are possible`);
  }
  return Object.fromEntries(parsed);
}
