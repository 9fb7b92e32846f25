import { fromBase64 } from "./base64.ts";
import { type ImportedKey, type Scheme, verifyingKey } from "./keys.ts";
import { SignatureError } from "./signature-error.ts";
import { signedContent } from "./signed-content.ts";

export type WebhookToVerify = {
  /** The request's headers: a `Headers`, or an object with lower-case names as Node gives it. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body's bytes as they came. Not a parsed and written copy: its bytes would differ. */
  readonly body: Uint8Array | string;
};

export type VerifyOptions = {
  /** How old, or how far in the future, a webhook may be. Default: 5 minutes, as the specification advises. */
  readonly toleranceMs?: number;
  /** Epoch milliseconds. Default: now. */
  readonly now?: number;
};

/** What a webhook said of itself, once its signature was found to be right. */
export type Verified = {
  /** The same in every repetition: drop what you have seen. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly signedAt: number;
};

const TOLERANCE_MS = 5 * 60_000;
/** Two live secrets of two schemes are four signatures; more than this is somebody trying. */
const SIGNATURES_MAX = 16;
const HEADER_CHARS_MAX = 4_096;
const SIGNATURE_BYTES: Readonly<Record<Scheme, number>> = { v1: 32, v1a: 64 };

/**
 * Checks that a webhook was signed with one of the keys, a short while ago.
 *
 * Signatures are compared by Web Crypto, in constant time. Versions that are not known are passed over.
 *
 * @param keys `whsec_…` for v1, `whpk_…` for v1a; several while one is being replaced
 * @throws SignatureError for everything that is wrong with the request or a key, and nothing else
 */
export async function verify(
  webhook: WebhookToVerify,
  keys: readonly string[],
  options: VerifyOptions = {},
): Promise<Verified> {
  const id = headerOf(webhook.headers, "webhook-id");
  const timestamp = headerOf(webhook.headers, "webhook-timestamp");
  const signatures = parseSignatures(headerOf(webhook.headers, "webhook-signature"));
  const signedAt = checkTimestamp(timestamp, options);
  const imported = await Promise.all(keys.map(verifyingKey));
  const content = signedContent(id, timestamp, webhook.body);
  for (const key of imported) {
    for (const signature of signatures) if (await fits(key, signature, content)) return { id, signedAt };
  }
  throw new SignatureError("no_match", "no signature fits this body and any of the keys");
}

type Signature = { readonly scheme: Scheme; readonly bytes: Uint8Array<ArrayBuffer> };

function parseSignatures(header: string): Signature[] {
  const signatures: Signature[] = [];
  for (const part of header.split(" ").slice(0, SIGNATURES_MAX)) {
    const comma = part.indexOf(",");
    const scheme = part.slice(0, comma);
    if (scheme !== "v1" && scheme !== "v1a") continue;
    const bytes = fromBase64(part.slice(comma + 1));
    if (bytes?.length === SIGNATURE_BYTES[scheme]) signatures.push({ scheme, bytes });
  }
  if (signatures.length > 0) return signatures;
  throw new SignatureError("malformed", "webhook-signature holds no signature of version v1 or v1a");
}

function checkTimestamp(
  text: string,
  { toleranceMs = TOLERANCE_MS, now = Date.now() }: VerifyOptions,
): number {
  if (!/^\d{1,12}$/.test(text)) {
    throw new SignatureError("malformed", "webhook-timestamp is not a number of seconds");
  }
  const signedAt = Number(text) * 1000;
  if (Math.abs(now - signedAt) <= toleranceMs) return signedAt;
  const when = signedAt < now ? "too long ago" : "in the future";
  throw new SignatureError(
    "expired",
    `webhook-timestamp lies ${when}; is a clock wrong, or is this a replay?`,
  );
}

async function fits(
  key: ImportedKey,
  signature: Signature,
  content: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (key.scheme !== signature.scheme) return false;
  const algorithm = key.scheme === "v1" ? "HMAC" : "Ed25519";
  return await crypto.subtle.verify(algorithm, key.key, signature.bytes, content);
}

function headerOf(headers: WebhookToVerify["headers"], name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  if (typeof value !== "string" || value === "" || value.length > HEADER_CHARS_MAX) {
    throw new SignatureError("malformed", `the header ${name} is missing, repeated or too long`);
  }
  return value;
}
