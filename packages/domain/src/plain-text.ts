import { Refusal } from "./refusal.ts";

/** Embeddings, overrides and isolates (https://www.unicode.org/reports/tr9), which make texts look alike. */
const TURNS_TEXT = /[\u202a-\u202e\u2066-\u2069]/;

/**
 * Checks a text that is stored and displayed: well-formed Unicode, without control characters or ones that
 * turn the direction of text, of at most `charsMax` code points.
 *
 * @returns the unchanged text
 * @throws Refusal `invalid`, which names the field
 */
export function plainText(text: string, field: string, charsMax: number): string {
  const refuse = (what: string) => new Refusal("invalid", `${field} ${what}`, { field });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression must match control characters
  if (/[\u0000-\u001f\u007f]/.test(text)) throw refuse("contains a control character; remove it");
  if (TURNS_TEXT.test(text)) throw refuse("contains a character that turns the direction of text; remove it");
  requireUnicode(text, field);
  if ([...text].length > charsMax) throw refuse(`has more than ${charsMax} characters`);
  return text;
}

/**
 * Refuses a lone surrogate, which UTF-8 cannot represent.
 *
 * @throws Refusal `invalid`, which names the field
 */
export function requireUnicode(text: string, field: string): void {
  if (text.isWellFormed()) return;
  throw new Refusal("invalid", `${field} is not valid Unicode: it contains half of a surrogate pair`, {
    field,
  });
}
