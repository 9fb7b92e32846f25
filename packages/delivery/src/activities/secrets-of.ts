import type { AttemptContext } from "@posthaste/store";

/** What a subscription sends that the attempt log must not show. */
export type HoldsSecrets = Pick<AttemptContext["subscription"], "credential" | "headers" | "targetUrl">;

/**
 * The shortest text to hide, other than a credential. A shorter one is hardly a secret, and could match
 * unrelated text.
 */
const SECRET_CHARS_MIN = 8;

/** Shorter parts within a header's value are more often words and dates than keys. */
const KEY_CHARS_MIN = 12;

const BASE64_CHAR_BITS = 6;

/**
 * Returns the texts to hide in what a receiver answers, each also in Base64: the credential, the values of
 * the custom headers and of the URL's query, and the parts of them that a receiver takes out. Of a user name
 * and a password, either may be the secret: many APIs take a key as the name. Their characters are latin1,
 * one for each byte.
 *
 * Names are no secrets: those of the headers are shown wherever the subscription is.
 */
export function secretsOf({ credential, headers, targetUrl }: HoldsSecrets): string[] {
  const values = Object.values(headers);
  const parts = [
    ...values,
    ...values.flatMap(partsOfHeader),
    ...values.flatMap(keysIn),
    ...(credential === null ? [] : [...halvesOf(credential), Buffer.from(credential).toString("base64")]),
    ...valuesOfQuery(targetUrl),
  ].filter(({ length }) => length >= SECRET_CHARS_MIN);
  const all = [...new Set(credential === null ? parts : [credential, ...parts])];
  return all.flatMap((secret) => {
    const utf8 = Buffer.from(secret, "utf8");
    return [utf8.toString("latin1"), utf8.toString("base64"), ...withinBase64(utf8)];
  });
}

/**
 * Returns how a secret is written within the Base64 of a longer text, such as a request with its headers.
 * Three bytes are four characters, so there are three ways, by the place at which the secret begins. The
 * characters at its ends that hold bits of the text around it, too, are left off.
 */
function withinBase64(secret: Buffer): string[] {
  const ways = [0, 1, 2].map((before) => {
    const base64 = Buffer.concat([Buffer.alloc(before), secret]).toString("base64");
    const first = Math.ceil((before * 8) / BASE64_CHAR_BITS);
    return base64.slice(first, Math.floor(((before + secret.length) * 8) / BASE64_CHAR_BITS));
  });
  // Alone, it is also written without its padding, and its last character holds no bits of others.
  const unpadded = secret.toString("base64").replace(/=+$/, "");
  return [unpadded, ...ways].filter(({ length }) => length >= SECRET_CHARS_MIN);
}

/** Returns what follows a scheme, such as `Bearer`, and the name and password that `Basic` encodes. */
function partsOfHeader(value: string): string[] {
  const [, scheme, rest] = /^([a-z][\w-]*)[ \t]+(.*)$/i.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) return [];
  if (scheme.toLowerCase() !== "basic") return [rest];
  const decoded = Buffer.from(rest, "base64").toString("utf8");
  return [rest, decoded, ...halvesOf(decoded)];
}

/**
 * Returns the parts of a value such as `token=…`, `Digest response="…"` or JSON that look like keys. Together
 * they are no longer than the value. Words are none: hiding them would make answers hard to understand.
 */
function keysIn(value: string): string[] {
  const parts = value.split(/[\s=:,;"'{}[\]]+/);
  return parts.filter((part) => part.length >= KEY_CHARS_MIN && /\d|[a-z][A-Z]/.test(part));
}

/** Returns the user name and the password; empty if there is no password. */
function halvesOf(credential: string): string[] {
  const colon = credential.indexOf(":");
  return colon === -1 ? [] : [credential.slice(0, colon), credential.slice(colon + 1)];
}

/** Returns the values of a URL's query, and the names of those without a value. */
function valuesOfQuery(url: string): string[] {
  const [, query = ""] = /\?(.*)$/.exec(url) ?? [];
  return query.split("&").map((pair) => {
    const equals = pair.indexOf("=");
    return pair.slice(equals + 1) || pair.slice(0, equals);
  });
}
