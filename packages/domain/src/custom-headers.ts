import { Refusal } from "./refusal.ts";

/** Custom headers per subscription, at most. Gateways and receivers usually need one or two. */
export const CUSTOM_HEADERS_MAX = 20;
const CUSTOM_HEADER_NAME_CHARS_MAX = 64;
/**
 * Length of all names and values together. Receivers commonly accept 8 KiB of headers, Posthaste's included.
 */
export const CUSTOM_HEADERS_CHARS_MAX = 4_096;

/** Headers that Posthaste or the connection sets. */
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
const RESERVED_PREFIX = /^(webhook|proxy)-/;

/**
 * Headers with which proxies, browsers and clouds vouch for where a request comes from, or which change what
 * it asks for. A receiver that believes them must not get them from a subscriber, who chooses the URL, too.
 */
const VOUCHING: ReadonlySet<string> = new Set([
  // Sessions, and the path of a request: RFC 6265, RFC 7239, RFC 9110 (7.6.2 and 7.6.3), RFC 8470, RFC 8586.
  ...["cookie", "set-cookie", "forwarded", "x-forwarded", "via", "max-forwards", "early-data", "cdn-loop"],
  // Switches of protocols: RFC 7540 (3.2.1) and RFC 7838.
  ...["http2-settings", "alt-used"],
  // The client's address, as proxies tell it.
  ...[
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "front-end-https",
  ],
  // Another host, path or method than that of the request.
  ...["x-host", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override"],
  // The services of clouds for their own machines answer only to requests with these.
  ...["metadata", "metadata-flavor", "x-google-metadata-request", "x-identity-header"],
]);
const VOUCHING_PREFIX = /^(x-forwarded|x-original|x-envoy|cf|sec|x-aws-ec2-metadata|x-aliyun-ecs-metadata)-/;

/**
 * Checks the custom headers that a subscription sends with every attempt.
 *
 * @returns the headers by lower-case name, with their values trimmed
 * @throws Refusal `invalid`, which names the header but never its value
 */
export function parseCustomHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers);
  const refuse = (message: string) => new Refusal("invalid", message, { field: "headers" });
  if (entries.length > CUSTOM_HEADERS_MAX) {
    throw refuse(`headers has ${entries.length} entries; at most ${CUSTOM_HEADERS_MAX} are allowed`);
  }
  const parsed = new Map<string, string>();
  let chars = 0;
  for (const [written, value] of entries) {
    const name = written.toLowerCase();
    const shown = JSON.stringify(written.slice(0, CUSTOM_HEADER_NAME_CHARS_MAX));
    // Stricter than a token (RFC 9110, section 5.6.2), but it covers every header name in use.
    if (!/^[0-9a-z][0-9a-z_-]*$/.test(name) || name.length > CUSTOM_HEADER_NAME_CHARS_MAX) {
      throw refuse(
        `${shown} is not a valid header name; use at most ${CUSTOM_HEADER_NAME_CHARS_MAX} letters, digits, - and _`,
      );
    }
    // Many servers read both characters alike: their environment variables have no dash (RFC 3875, 4.1.18).
    const read = name.replaceAll("_", "-");
    if (RESERVED.has(read) || RESERVED_PREFIX.test(read)) {
      throw refuse(`the header ${shown} is set by Posthaste or by the connection; choose another name`);
    }
    if (VOUCHING.has(read) || VOUCHING_PREFIX.test(read)) {
      throw refuse(
        `with the header ${shown}, proxies and clouds vouch for a request, so only they may send it; ` +
          "choose another name",
      );
    }
    if (parsed.has(name)) throw refuse(`the header ${shown} is given twice; names are not case-sensitive`);
    const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, "");
    if (!/^[\t\x20-\x7e]+$/.test(trimmed)) {
      throw refuse(
        `the value of the header ${shown} is empty or contains characters other than visible ASCII`,
      );
    }
    chars += name.length + trimmed.length;
    parsed.set(name, trimmed);
  }
  if (chars > CUSTOM_HEADERS_CHARS_MAX) {
    throw refuse(`headers has ${chars} characters in total; at most ${CUSTOM_HEADERS_CHARS_MAX} are allowed`);
  }
  return Object.fromEntries(parsed);
}
