import { accentOf, LIGHT } from "./accent.ts";
import type { BrandFile } from "./brand-files.ts";

/** The page's own accent. */
const OWN_COLOR = "#4350e6";

/** Draws the first letter of a brand that has no logo, in its colour. */
export function monogram(name: string, color: string | null): BrandFile {
  const { accent, onAccent } = accentOf(color ?? OWN_COLOR, LIGHT);
  // By its number, since an ampersand and the like mean something to XML.
  const letter = `&#${name.toUpperCase().codePointAt(0)};`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="${accent}"/>
<text x="16" y="23" text-anchor="middle" font-family="system-ui, sans-serif" font-size="20" font-weight="700"
  fill="${onAccent}">${letter}</text>
</svg>`;
  return { bytes: Buffer.from(svg), mediaType: "image/svg+xml" };
}
