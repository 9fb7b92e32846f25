import { Refusal } from "./refusal.ts";
import { whyRefused } from "./refused-headers.ts";

/** Custom headers per subscription, at most. Gateways and receivers usually need one or two. */
export const CUSTOM_HEADERS_MAX = 20;
const CUSTOM_HEADER_NAME_CHARS_MAX = 64;
/**
 * Length of all names and values together. Receivers commonly accept 8 KiB of headers, Posthaste's included.
 */
export const CUSTOM_HEADERS_CHARS_MAX = 4_096;

/**
 * Checks the custom headers that a subscription sends with every attempt.
 *
 * @returns the headers by lower-case name, with their values trimmed
 * @throws Refusal `invalid`, which names the header but never its value
 */
export function parseCustomHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers);
  const refuse = (message: string) => new Refusal("invalid", message, { field: "headers" });
  if (entries.length > CUSTOM_HEADERS_MAX) {
    throw refuse(`headers has ${entries.length} entries; at most ${CUSTOM_HEADERS_MAX} are allowed`);
  }
  const parsed = new Map<string, string>();
  let chars = 0;
  for (const [written, value] of entries) {
    const name = written.toLowerCase();
    const shown = JSON.stringify(written.slice(0, CUSTOM_HEADER_NAME_CHARS_MAX));
    // Stricter than a token (RFC 9110, section 5.6.2), but it covers every header name in use.
    if (!/^[0-9a-z][0-9a-z_-]*$/.test(name) || name.length > CUSTOM_HEADER_NAME_CHARS_MAX) {
      throw refuse(
        `${shown} is not a valid header name; use at most ${CUSTOM_HEADER_NAME_CHARS_MAX} letters, digits, - and _`,
      );
    }
    const reason = whyRefused(name);
    if (reason !== undefined) throw refuse(`the header ${shown} ${reason}; choose another name`);
    if (parsed.has(name)) throw refuse(`the header ${shown} is given twice; names are not case-sensitive`);
    const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, "");
    if (!/^[\t\x20-\x7e]+$/.test(trimmed)) {
      throw refuse(
        `the value of the header ${shown} is empty or contains characters other than visible ASCII`,
      );
    }
    chars += name.length + trimmed.length;
    parsed.set(name, trimmed);
  }
  if (chars > CUSTOM_HEADERS_CHARS_MAX) {
    throw refuse(`headers has ${chars} characters in total; at most ${CUSTOM_HEADERS_CHARS_MAX} are allowed`);
  }
  return Object.fromEntries(parsed);
}

/** Changes to single custom headers: new values by name, and names to remove. Case does not matter. */
export type CustomHeaderChanges = {
  readonly set: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
};

/**
 * Applies changes to custom headers. A name that is both removed and set is set.
 *
 * @param before as {@link parseCustomHeaders} returned them
 * @throws Refusal `invalid`, as above
 */
export function changedHeaders(
  before: Readonly<Record<string, string>>,
  { set, remove }: CustomHeaderChanges,
): Record<string, string> {
  const after = new Map(Object.entries(before));
  for (const name of remove) after.delete(name.toLowerCase());
  for (const [name, value] of Object.entries(parseCustomHeaders(set))) after.set(name, value);
  return parseCustomHeaders(Object.fromEntries(after));
}
