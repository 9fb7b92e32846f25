import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import { sha256 } from "../database/ids.ts";

const PREFIX = "pht_";
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 40 characters of 62 are 238 bits. */
const RANDOM_CHARS = 40;
const CHECKSUM_CHARS = 6;
const HINT_CHARS = 8;

/**
 * A new secret: `pht_`, 40 random base62 characters, and a CRC-32 of those in six more. The prefix and the checksum
 * let secret scanners recognise a leaked token without asking anyone.
 */
export function newTokenSecret(): string {
  const random = Array.from({ length: RANDOM_CHARS }, () => BASE62[randomInt(BASE62.length)]).join("");
  return `${PREFIX}${random}${checksumOf(random)}`;
}

/** Whether a text has the form of a token and its checksum is right. */
export function looksLikeToken(text: string): boolean {
  const match = /^pht_([0-9A-Za-z]{40})([0-9A-Za-z]{6})$/.exec(text);
  return match !== null && checksumOf(match[1] ?? "") === match[2];
}

export function hintOf(secret: string): string {
  return secret.slice(0, HINT_CHARS);
}

/** What is stored of a secret. A plain hash will do: there is nothing to guess in 238 random bits. */
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
