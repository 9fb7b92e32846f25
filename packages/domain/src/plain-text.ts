import { Refusal } from "./refusal.ts";

/**
 * Takes a text that is stored and shown: well-formed Unicode without control characters.
 *
 * @throws Refusal `invalid`, naming the field
 */
export function plainText(text: string, field: string, charsMax: number): string {
  const refuse = (what: string) => new Refusal("invalid", `${field} ${what}`, { field });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) throw refuse("contains a control character; leave it out");
  requireUnicode(text, field);
  if ([...text].length > charsMax) throw refuse(`has more than ${charsMax} characters`);
  return text;
}

/**
 * Refuses half of a surrogate pair, which UTF-8 cannot carry.
 *
 * @throws Refusal `invalid`, naming the field
 */
export function requireUnicode(text: string, field: string): void {
  if (text.isWellFormed()) return;
  throw new Refusal("invalid", `${field} is not valid Unicode: it holds half of a surrogate pair`, { field });
}
