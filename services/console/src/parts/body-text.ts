/** A body as it is shown. */
export type BodyText = {
  readonly text: string;
  /** True: the body is no text, and `text` is its bytes. */
  readonly isHex: boolean;
};

/**
 * Returns a body's text, or its bytes in hexadecimal if it is not UTF-8 or has NUL, which text never has.
 *
 * @param isCut the body's end is missing, and with it perhaps a part of its last character
 */
export function bodyText(bytes: Uint8Array, isCut: boolean): BodyText {
  const text = utf8Text(bytes, isCut);
  if (text === undefined || text.includes("\0")) return { text: hexDump(bytes), isHex: true };
  return { text, isHex: false };
}

function utf8Text(bytes: Uint8Array, isCut: boolean): string | undefined {
  try {
    // A stream's decoder waits for the rest of a character.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: isCut });
  } catch {
    return undefined;
  }
}

const BYTES_A_ROW = 16;

/** Returns rows of an offset, 16 bytes, and their ASCII characters, as `hexdump -C` prints them. */
export function hexDump(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += BYTES_A_ROW) {
    const row = [...bytes.subarray(offset, offset + BYTES_A_ROW)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const halves = `${hex.slice(0, 8).join(" ")}  ${hex.slice(8).join(" ")}`.padEnd(3 * BYTES_A_ROW);
    const ascii = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    rows.push(`${offset.toString(16).padStart(8, "0")}  ${halves}  |${ascii.join("")}|`);
  }
  return rows.join("\n");
}

/** What a page shows of a text at first: a larger one makes it slow, and hides what follows it. */
const SHOWN_CHARS_MAX = 32 * 1_024;
const SHOWN_LINES_MAX = 400;

/** Returns the beginning of a text that is shown at first: all of it, unless it is long. */
export function beginningOf(text: string): string {
  let end = Math.min(text.length, SHOWN_CHARS_MAX);
  let newline = -1;
  for (let lines = 0; lines < SHOWN_LINES_MAX; lines++) {
    newline = text.indexOf("\n", newline + 1);
    if (newline < 0 || newline >= end) break;
    if (lines === SHOWN_LINES_MAX - 1) end = newline;
  }
  // Half of a character would be shown as a replacement.
  const isSplit = end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? "");
  return text.slice(0, isSplit ? end - 1 : end);
}
