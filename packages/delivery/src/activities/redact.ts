import type { PostResult } from "./egress/egress.ts";

const REDACTED = "[redacted]";

/**
 * Takes the receiver's own credential out of its answer: a receiver that shows what it was sent would otherwise put it
 * into the attempt log, in plain text and for every reader of deliveries.
 */
export function redact<R extends Pick<PostResult, "responseHeaders" | "responseBody">>(
  result: R,
  credential: string | null,
): R {
  if (credential === null) return result;
  const utf8 = Buffer.from(credential, "utf8");
  // Bytes as latin1, so that any body goes through unchanged.
  const spellings = [utf8.toString("latin1"), utf8.toString("base64")];
  const clean = (text: string) =>
    spellings.reduce((cleaned, spelling) => cleaned.replaceAll(spelling, REDACTED), text);
  return {
    ...result,
    responseHeaders: result.responseHeaders.map(([name, value]) => [name, clean(value)]),
    responseBody: Buffer.from(clean(Buffer.from(result.responseBody).toString("latin1")), "latin1"),
  };
}
