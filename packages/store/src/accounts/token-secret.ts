import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import { sha256 } from "../database/ids.ts";

const PREFIX = "pht_";
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 40 characters out of 62 make 238 bits. */
const RANDOM_CHARS = 40;
const CHECKSUM_CHARS = 6;
const HINT_CHARS = 8;

/**
 * Returns a new secret: `pht_`, 40 random base62 characters, and six characters with their CRC-32. Prefix and
 * checksum let secret scanners recognize a leaked token without asking a server.
 */
export function newTokenSecret(): string {
  const random = Array.from({ length: RANDOM_CHARS }, () => BASE62[randomInt(BASE62.length)]).join("");
  return `${PREFIX}${random}${checksumOf(random)}`;
}

export function hintOf(secret: string): string {
  return secret.slice(0, HINT_CHARS);
}

/**
 * Returns the hash that is stored for a secret. A plain hash is enough: 238 random bits cannot be guessed.
 */
export function hashOf(secret: string): Buffer {
  return sha256(secret);
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = "";
  while (digits.length < CHECKSUM_CHARS) {
    digits = BASE62.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
