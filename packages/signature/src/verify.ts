import { fromBase64 } from "./base64.ts";
import { type ImportedKey, importKeys, type Scheme, verifyingKey } from "./keys.ts";
import { readOrRefuse, SignatureError } from "./signature-error.ts";
import { signedContent, TIMESTAMP } from "./signed-content.ts";
import { type HeadersLike, headerOf } from "./webhook-input.ts";

export type WebhookToVerify = {
  /** The request's headers: a `Headers`, a `Map` or an object. Names may be in any case. */
  readonly headers: HeadersLike;
  /** The body's bytes as received. The bytes of a parsed and re-serialised copy may differ. */
  readonly body: Uint8Array | ArrayBuffer | string;
};

export type VerifyOptions = {
  /** How far the timestamp may be from `now`, in ms. Default: 5 minutes, as the specification advises. */
  readonly toleranceMs?: number;
  /** Epoch milliseconds. Default: now. */
  readonly now?: number;
};

/** The signed metadata of a verified webhook. */
export type Verified = {
  /** The webhook's id, the same in every repetition: use it to drop repetitions. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly signedAt: number;
};

const TOLERANCE_MS = 5 * 60_000;
/** Two live keys in each of two schemes make four signatures. Beyond this bound, signatures are ignored. */
const SIGNATURES_MAX = 16;
/** Characters of an unknown option that an error shows. */
const OPTION_SHOWN_MAX = 40;
const SIGNATURE_BYTES: Readonly<Record<Scheme, number>> = { v1: 32, v1a: 64 };

/**
 * Verifies that a webhook was signed with one of the keys, within the tolerance.
 *
 * Web Crypto compares signatures in constant time. Signatures of unknown versions are ignored.
 *
 * @param keys `whsec_…` for v1, `whpk_…` for v1a; several while a key is being replaced
 * @throws SignatureError if anything is wrong with the webhook or a key; no other error, whatever is passed
 */
export async function verify(
  webhook: WebhookToVerify,
  keys: readonly string[],
  options: VerifyOptions = {},
): Promise<Verified> {
  const header = (name: string) =>
    readOrRefuse("malformed", "the headers cannot be read", () => headerOf(webhook?.headers, name));
  const id = header("webhook-id");
  const timestamp = header("webhook-timestamp");
  const signatures = parseSignatures(header("webhook-signature"));
  const signedAt = readOrRefuse("bad_option", "the options cannot be read", () =>
    checkTimestamp(timestamp, options),
  );
  const imported = await importKeys(keys, verifyingKey);
  const content = readOrRefuse("bad_body", "the body cannot be read", () =>
    signedContent(id, timestamp, webhook.body),
  );
  for (const key of imported) {
    for (const signature of signatures) if (await matches(key, signature, content)) return { id, signedAt };
  }
  throw new SignatureError("no_match", "no signature matches this body under any of the keys");
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
  throw new SignatureError("malformed", "webhook-signature has no valid signature of version v1 or v1a");
}

function checkTimestamp(text: string, given: VerifyOptions): number {
  const options = checkedOptions(given);
  const now = millisecondsOf(options, "now") ?? Date.now();
  const toleranceMs = millisecondsOf(options, "toleranceMs") ?? TOLERANCE_MS;
  if (toleranceMs < 0) throw new SignatureError("bad_option", "toleranceMs is negative");
  if (!TIMESTAMP.test(text)) {
    throw new SignatureError("malformed", "webhook-timestamp is not a number of seconds");
  }
  const signedAt = Number(text) * 1000;
  if (Math.abs(now - signedAt) <= toleranceMs) return signedAt;
  const when = signedAt < now ? "too old" : "in the future";
  throw new SignatureError("expired", `webhook-timestamp is ${when}: this is a replay, or a clock is wrong`);
}

const OPTIONS: readonly string[] = ["toleranceMs", "now"] satisfies (keyof VerifyOptions)[];

/** Refuses options that would be ignored: a receiver would believe in a tolerance that is none. */
function checkedOptions(options: unknown): VerifyOptions {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object" || Array.isArray(options)) {
    throw new SignatureError("bad_option", "the options are no object: pass { toleranceMs, now }, or none");
  }
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown === undefined) return options;
  const shown = unknown.slice(0, OPTION_SHOWN_MAX);
  const words = `no option is called ${shown}: the options are ${OPTIONS.join(", ")}`;
  throw new SignatureError("bad_option", words);
}

/** Returns an option, which may also be a `Date`; undefined if it is not given. */
function millisecondsOf(options: VerifyOptions, name: keyof VerifyOptions): number | undefined {
  const value: unknown = options[name];
  if (value === undefined) return undefined;
  const ms = value instanceof Date ? value.getTime() : value;
  if (typeof ms === "number" && !Number.isNaN(ms)) return ms;
  throw new SignatureError("bad_option", `${name} is no number of milliseconds`);
}

async function matches(
  key: ImportedKey,
  signature: Signature,
  content: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (key.scheme !== signature.scheme) return false;
  const algorithm = key.scheme === "v1" ? "HMAC" : "Ed25519";
  return await crypto.subtle.verify(algorithm, key.key, signature.bytes, content);
}
