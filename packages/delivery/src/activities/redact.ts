import type { PostResult } from "@posthaste/egress";
import type { AttemptContext } from "@posthaste/store";

const REDACTED = "[redacted]";

/** A shorter value is no secret that is worth the name, and would tear holes into what the log shows. */
const SECRET_CHARS_MIN = 8;

/**
 * Takes what was sent to a receiver as a secret (its credential, its owner's headers) out of its answer: a receiver that
 * shows what it was sent would otherwise put it into the attempt log, in plain text and for every reader of deliveries.
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
    // Bytes as latin1, so that any body goes through unchanged.
    responseBody: Buffer.from(clean(Buffer.from(result.responseBody).toString("latin1")), "latin1"),
  };
}

/** What was sent, without what is a secret in it: the credential, and whatever its owner's headers hold. */
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
