import { fromBase64 } from "./base64.ts";
import { readOrRefuse, SignatureError } from "./signature-error.ts";

/** `v1`: HMAC-SHA256 with a shared secret. `v1a`: Ed25519, verified with a public key. */
export type Scheme = "v1" | "v1a";

/** Web Crypto's key type, whose name differs between the platforms' type declarations. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

export type ImportedKey = { readonly scheme: Scheme; readonly key: Key };

/** Bounds of a shared secret, in bytes, from the specification. */
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;
/** Length of an Ed25519 seed and of a public key (RFC 8032). */
const ED25519_KEY_BYTES = 32;
/**
 * The PKCS #8 prefix of a seed (RFC 8410). Web Crypto imports the bytes of a private key only in this format.
 */
const ED25519_PKCS8_START = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/**
 * Imports keys.
 *
 * @throws SignatureError `bad_key`
 */
export async function importKeys(
  keys: readonly string[],
  importKey: (text: string) => Promise<ImportedKey>,
): Promise<ImportedKey[]> {
  const texts = readOrRefuse("bad_key", "the list of keys cannot be read", () => {
    if (!Array.isArray(keys)) throw new SignatureError("bad_key", "expected a list of keys");
    // `map` would skip the holes of a sparse list.
    return Array.from(keys, String);
  });
  if (texts.length === 0) throw new SignatureError("bad_key", "the list of keys is empty: pass at least one");
  return await Promise.all(
    texts.map(async (text) => {
      if (text !== text.trim()) {
        throw new SignatureError(
          "bad_key",
          "a key begins or ends with a space or a line break, as when it is read from a file: trim it",
        );
      }
      try {
        return await importKey(text);
      } catch (error) {
        if (error instanceof SignatureError) throw error;
        throw new SignatureError("bad_key", "this runtime cannot import the key: it may not know Ed25519");
      }
    }),
  );
}

/**
 * Imports a signing key: `whsec_` (shared secret) or `whsk_` (Ed25519 seed), followed by Base64.
 *
 * @throws SignatureError `bad_key`
 */
export async function signingKey(text: string): Promise<ImportedKey> {
  if (!text.startsWith("whsk_")) return await sharedSecret(text, "whsk_");
  const seed = bytesOf(text, "whsk_", ED25519_KEY_BYTES, ED25519_KEY_BYTES);
  const pkcs8 = Uint8Array.from([...ED25519_PKCS8_START, ...seed]);
  return { scheme: "v1a", key: await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]) };
}

/**
 * Imports a verification key: `whsec_` (shared secret) or `whpk_` (Ed25519 public key), followed by Base64.
 *
 * @throws SignatureError `bad_key`
 */
export async function verifyingKey(text: string): Promise<ImportedKey> {
  if (!text.startsWith("whpk_")) return await sharedSecret(text, "whpk_");
  const raw = bytesOf(text, "whpk_", ED25519_KEY_BYTES, ED25519_KEY_BYTES);
  return { scheme: "v1a", key: await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]) };
}

/**
 * The prefix is required: without it, a public key would be taken for a secret, with which anybody can sign.
 *
 * @param other the prefix that the text might have had instead, for the message
 */
async function sharedSecret(text: string, other: string): Promise<ImportedKey> {
  if (!text.startsWith("whsec_")) {
    throw new SignatureError("bad_key", `expected a key that begins with whsec_ or ${other}`);
  }
  const raw = bytesOf(text, "whsec_", SECRET_BYTES_MIN, SECRET_BYTES_MAX);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return {
    scheme: "v1",
    key: await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign", "verify"]),
  };
}

function bytesOf(text: string, prefix: string, min: number, max: number): Uint8Array<ArrayBuffer> {
  const bytes = fromBase64(text.slice(prefix.length));
  if (bytes === undefined || bytes.length < min || bytes.length > max) {
    const length = min === max ? `${min}` : `${min} to ${max}`;
    throw new SignatureError(
      "bad_key",
      `expected a key of the form ${prefix} followed by ${length} bytes in Base64`,
    );
  }
  return bytes;
}
