import { type PostResult, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_BYTES_MAX } from "@posthaste/egress";
import type { AttemptContext } from "@posthaste/store";
import { hideSecrets, secretsToHide } from "./hide-secrets.ts";
import { type HoldsSecrets, secretsOf } from "./secrets-of.ts";

const REDACTED = "[redacted]";

/**
 * Removes what the subscription keeps secret from a response: its credential, its custom headers and the
 * query of its URL. Without this, a receiver that echoes the request, or redirects to a URL with the same
 * query, would put them into the attempt log, which everyone with access to deliveries can read.
 *
 * What replaces a secret may be longer, so the headers' values and the body are cut to what a response may
 * have. Of a body that was cut off, as much as a secret's first part may have is left out at the end: the cut
 * may have torn a secret there. It is left out whatever the body ends with. Otherwise, whoever can have a
 * receiver echo a guess would learn from the log, character by character, how a secret begins.
 */
export function redact<R extends Pick<PostResult, "responseHeaders" | "responseBody" | "responseTruncated">>(
  result: R,
  subscription: HoldsSecrets,
): R {
  const texts = secretsOf(subscription);
  if (texts.length === 0) return result;
  const secrets = secretsToHide(texts);
  let room = RESPONSE_HEADERS_BYTES_MAX;
  const responseHeaders = result.responseHeaders.map(([name, value]): [string, string] => {
    const shown = hideSecrets(value, secrets, REDACTED).slice(0, room);
    room -= shown.length;
    // A name is shown as a whole or not at all, so names hardly grow.
    return [hideSecrets(name, secrets, REDACTED) === name ? name : REDACTED, shown];
  });
  // latin1 maps every byte to one character and back, so any body survives unchanged.
  const body = Buffer.from(result.responseBody).toString("latin1");
  const shown = hideSecrets(body, secrets, REDACTED, result.responseTruncated);
  return {
    ...result,
    responseHeaders,
    responseBody: Buffer.from(shown.slice(0, RESPONSE_BODY_BYTES_MAX), "latin1"),
    responseTruncated: result.responseTruncated || shown.length > RESPONSE_BODY_BYTES_MAX,
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
