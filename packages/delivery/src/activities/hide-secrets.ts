/*
 * # Hiding secrets in what a receiver answers
 *
 * The receiver chooses the text, and the subscriber the secrets: together they can make a search as slow as
 * it may become. This one (Knuth, Morris and Pratt) takes time in proportion to the text, for each secret. It
 * searches the text as it was received, never what has replaced a part of it.
 */

/** A text to search for, with all that is computed once for all searches. Its characters are latin1. */
export type Secret = {
  /** The first characters; see {@link START_CHARS}. */
  readonly start: string;
  readonly codes: Uint8Array;
  /** By the length of a first part of the secret: how much of the secret it ends with, other than itself. */
  readonly borders: Uint32Array;
};

/**
 * A text without these first characters of a secret is not searched. Most texts have no secret, and the
 * runtime finds that out fast; with a longer text to find, it could take long as well.
 */
const START_CHARS = 8;

/** Prepares texts to be hidden; repeated ones count once. */
export function secretsToHide(texts: readonly string[]): Secret[] {
  return [...new Set(texts)].map((text) => {
    const codes = Buffer.from(text, "latin1");
    return { start: text.slice(0, START_CHARS), codes, borders: bordersOf(codes) };
  });
}

/**
 * Returns the first `end` characters of a latin1 text, in which `shown` replaces all that belongs to a
 * secret. If secrets overlap or touch each other, it replaces all of them at once.
 */
export function hideSecrets(
  text: string,
  secrets: readonly Secret[],
  shown: string,
  end = text.length,
): string {
  const possible = secrets.filter(({ start }) => text.includes(start));
  if (possible.length === 0) return text.slice(0, end);
  const lengths = lengthsIn(Buffer.from(text, "latin1"), possible);
  const pieces: string[] = [];
  let hiddenTo = 0;
  for (let i = 0; i < end; i++) {
    const length = lengths[i] ?? 0;
    if (length === 0) continue;
    if (pieces.length === 0 || i > hiddenTo) pieces.push(text.slice(hiddenTo, i), shown);
    hiddenTo = Math.max(hiddenTo, i + length);
  }
  pieces.push(text.slice(hiddenTo, end));
  return pieces.join("");
}

/** Returns, for each place in a text, the length of the longest secret that begins there; 0: none does. */
function lengthsIn(text: Uint8Array, secrets: readonly Secret[]): Uint32Array {
  const lengths = new Uint32Array(text.length);
  for (const { codes, borders } of secrets) {
    let matched = 0;
    for (let i = 0; i < text.length; i++) {
      while (matched > 0 && codes[matched] !== text[i]) matched = borders[matched] ?? 0;
      if (codes[matched] === text[i]) matched += 1;
      if (matched < codes.length) continue;
      const start = i + 1 - matched;
      lengths[start] = Math.max(lengths[start] ?? 0, matched);
      matched = borders[matched] ?? 0;
    }
  }
  return lengths;
}

function bordersOf(codes: Uint8Array): Uint32Array {
  const borders = new Uint32Array(codes.length + 1);
  let border = 0;
  for (let i = 1; i < codes.length; i++) {
    while (border > 0 && codes[border] !== codes[i]) border = borders[border] ?? 0;
    if (codes[border] === codes[i]) border += 1;
    borders[i + 1] = border;
  }
  return borders;
}
