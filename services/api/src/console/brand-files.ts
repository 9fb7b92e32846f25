import { readFileSync, statSync } from "node:fs";

/** A file of the brand, read at the start. */
export type BrandFile = {
  readonly bytes: Buffer;
  readonly mediaType: "image/svg+xml" | "image/png" | "font/woff2";
};

/** It is shown on every page: a logo that is drawn for screens has a few kilobytes. */
const LOGO_KIB_MAX = 100;
/** A variable font with Latin, Greek and Cyrillic has less. Each reader loads it once. */
const FONT_KIB_MAX = 500;

const PNG_SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const WOFF2_SIGNATURE = Buffer.from("wOF2", "latin1");
/** An `svg` element after at most a declaration, a document type and comments. */
const SVG_BEGINNING =
  /^\uFEFF?\s*(?:(?:<\?xml[^>]*>|<!DOCTYPE\s+svg[^>]*>|<!--(?:(?!-->)[\s\S])*-->)\s*)*<svg[\s>]/;

/** @throws Error that says what is expected of the file */
export function readLogo(path: string): BrandFile {
  const bytes = readBounded(path, LOGO_KIB_MAX);
  if (bytes.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) {
    return { bytes, mediaType: "image/png" };
  }
  if (SVG_BEGINNING.test(bytes.toString())) return { bytes, mediaType: "image/svg+xml" };
  throw new Error("the file is neither SVG nor PNG: save the logo as one of them");
}

/** @throws Error that says what is expected of the file */
export function readFont(path: string): BrandFile {
  const bytes = readBounded(path, FONT_KIB_MAX);
  const isWoff2 = bytes.subarray(0, WOFF2_SIGNATURE.length).equals(WOFF2_SIGNATURE);
  // The file's length stands in its header.
  if (isWoff2 && bytes.length > 12 && bytes.readUInt32BE(8) === bytes.length) {
    return { bytes, mediaType: "font/woff2" };
  }
  throw new Error("the file is no WOFF2 font, or not a whole one: convert the font to WOFF2");
}

function readBounded(path: string, kibMax: number): Buffer {
  try {
    // First: what the path names may be endless.
    const { size } = statSync(path);
    if (size <= kibMax * 1_024) return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`the file cannot be read (${code}): check the path, and who may read it`);
  }
  throw new Error(`the file is larger than ${kibMax} KiB: use a smaller one`);
}
