import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** The keys that seal secrets at rest. */
export type SealingKeys = {
  /** Id of the key that seals new values. */
  readonly current: string;
  /** All keys that open values, by id; 32 bytes each. */
  readonly keys: ReadonlyMap<string, Buffer>;
};

/**
 * Seals texts with AES-256-GCM. A value sealed for one context (a row and a purpose) opens for no other, so
 * copying a value from row to row gains nothing.
 */
export type Sealer = {
  seal(text: string, context: string): Buffer;
  /** @throws SealError; if the key is not among the sealer's, {@link UnknownKey} */
  open(sealed: Uint8Array, context: string): string;
  /** Whether the current key sealed the value. */
  isCurrent(sealed: Uint8Array): boolean;
};

/**
 * A sealed value cannot be opened, or there is no key to seal with. The operator must fix it. The message
 * never quotes a value.
 */
export class SealError extends Error {
  override readonly name: string = "SealError";
}

/** A value was sealed with a key that this process lacks. Another process, or this one later, may have it. */
export class UnknownKey extends SealError {
  override readonly name = "UnknownKey";
  readonly keyId: string;

  constructor(keyId: string) {
    super(`a secret was sealed with the key ${keyId}, which POSTHASTE_SECRET_KEYS does not hold`);
    this.keyId = keyId;
  }
}

const ALGORITHM = "aes-256-gcm";
/**
 * The first byte of a sealed value, in case the format changes. The format: version, length of the id, id,
 * nonce, tag, ciphertext.
 */
const VERSION = 1;
const KEY_BYTES = 32;
/** Random nonces are safe for 2^32 values per key (NIST SP 800-38D, section 8.3). */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Reads `ID:BASE64,ID:BASE64…`; each key is the Base64 of 32 bytes. The first key seals, all keys open.
 *
 * @throws Error that names the expected form and repeats nothing of the text
 */
export function parseSealingKeys(text: string): SealingKeys {
  const keys = new Map<string, Buffer>();
  for (const part of text.split(",")) {
    const match = /^([A-Za-z0-9._-]{1,32}):([A-Za-z0-9+/_-]+={0,2})$/.exec(part.trim());
    const key = Buffer.from(match?.[2] ?? "", "base64");
    const id = match?.[1];
    if (id === undefined || key.length !== KEY_BYTES) {
      throw new Error(
        "expected ID:KEY, or several separated by commas, with KEY the Base64 of 32 random bytes (openssl rand -base64 32)",
      );
    }
    if (keys.has(id)) throw new Error("a key id appears twice");
    keys.set(id, key);
  }
  const [current = ""] = keys.keys();
  return { current, keys };
}

/**
 * @param sealing undefined: for callers that neither read nor write secrets; using the sealer then throws
 *   SealError
 */
export function createSealer(sealing: SealingKeys | undefined): Sealer {
  const keyOf = (id: string) => {
    const key = sealing?.keys.get(id);
    if (key !== undefined) return key;
    if (sealing !== undefined) throw new UnknownKey(id);
    throw new SealError("POSTHASTE_SECRET_KEYS is not set, but secrets must be read or written");
  };
  return {
    seal(text, context) {
      const id = Buffer.from(sealing?.current ?? "");
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, keyOf(id.toString()), nonce).setAAD(Buffer.from(context));
      const ciphertext = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.from([VERSION, id.length]), id, nonce, cipher.getAuthTag(), ciphertext]);
    },
    open(sealed, context) {
      const { id, nonce, tag, ciphertext } = parse(sealed);
      const decipher = createDecipheriv(ALGORITHM, keyOf(id), nonce).setAAD(Buffer.from(context));
      decipher.setAuthTag(tag);
      try {
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
      } catch (cause) {
        throw new SealError(
          `a secret does not open with the key ${id} of POSTHASTE_SECRET_KEYS: the key is not the original one, or the value was changed`,
          { cause },
        );
      }
    },
    isCurrent: (sealed) => parse(sealed).id === sealing?.current,
  };
}

function parse(sealed: Uint8Array) {
  const bytes = Buffer.from(sealed);
  const idEnd = 2 + (bytes[1] ?? 0);
  const tagAt = idEnd + NONCE_BYTES;
  if (bytes[0] !== VERSION || bytes.length < tagAt + TAG_BYTES) {
    throw new SealError("a sealed secret is malformed");
  }
  return {
    id: bytes.subarray(2, idEnd).toString(),
    nonce: bytes.subarray(idEnd, tagAt),
    tag: bytes.subarray(tagAt, tagAt + TAG_BYTES),
    ciphertext: bytes.subarray(tagAt + TAG_BYTES),
  };
}
