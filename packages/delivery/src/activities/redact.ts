import type { PostResult } from "@posthaste/egress";
import type { AttemptContext } from "@posthaste/store";

const REDACTED = "[redacted]";

/**
 * The shortest header value to redact. A shorter value is hardly a secret, and could match unrelated text.
 */
const SECRET_CHARS_MIN = 8;

/**
 * Removes the subscription's secrets (its credential and its custom headers) from a response. Without this, a
 * receiver that echoes the request would put them into the attempt log, which everyone with access to
 * deliveries can read.
 */
export function redact<R extends Pick<PostResult, "responseHeaders" | "responseBody">>(
  result: R,
  { credential, headers }: Pick<AttemptContext["subscription"], "credential" | "headers">,
): R {
  const spellings = [
    ...(credential === null ? [] : spellingsOf(credential)),
    ...Object.values(headers).filter((value) => value.length >= SECRET_CHARS_MIN),
  ];
  if (spellings.length === 0) return result;
  const clean = (text: string) =>
    spellings.reduce((cleaned, spelling) => cleaned.replaceAll(spelling, REDACTED), text);
  return {
    ...result,
    responseHeaders: result.responseHeaders.map(([name, value]) => [name, clean(value)]),
    // latin1 maps every byte to one character and back, so any body survives unchanged.
    responseBody: Buffer.from(clean(Buffer.from(result.responseBody).toString("latin1")), "latin1"),
  };
}

/**
 * Returns the headers of a request for the attempt log, with the credential and all custom headers redacted.
 */
export function shownHeaders(
  sent: Readonly<Record<string, string>>,
  { headers }: Pick<AttemptContext["subscription"], "headers">,
): [string, string][] {
  return Object.entries(sent).map(([name, value]) => [
    name,
    name === "authorization" || Object.hasOwn(headers, name) ? REDACTED : value,
  ]);
}

function spellingsOf(credential: string): string[] {
  const utf8 = Buffer.from(credential, "utf8");
  return [utf8.toString("latin1"), utf8.toString("base64")];
}
