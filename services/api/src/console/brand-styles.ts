import { accentOf, DARK, LIGHT } from "./accent.ts";
import type { Brand } from "./brand-settings.ts";

/** Families that CSS knows by a keyword, which must not be quoted. */
const GENERIC = /^(serif|sans-serif|monospace|system-ui|ui-(serif|sans-serif|monospace|rounded))$/;

/**
 * Returns the style sheet of a brand: values for properties of the page's `tokens.css`. Its selector
 * outweighs that of `tokens.css`, and is outweighed by the theme that the reader chose.
 *
 * @param fontPath where the font's file is served; null: the font is the reader's own
 */
export function brandStyles({ color, font, theme }: Brand, fontPath: string | null): string {
  const properties: string[] = [];
  if (theme !== "system") properties.push(`color-scheme: ${theme}`);
  if (color !== null) properties.push(...accentProperties(color));
  const rules: string[] = [];
  if (font !== null) {
    const family = GENERIC.test(font.family) ? font.family : `"${font.family}"`;
    properties.push(`--brand-font: ${family}`);
    if (fontPath !== null) rules.push(fontFace(family, fontPath));
  }
  if (properties.length > 0) rules.push(rule("html:root", properties));
  return rules.join("\n");
}

function accentProperties(color: string): string[] {
  const [light, dark] = [accentOf(color, LIGHT), accentOf(color, DARK)];
  const inBoth = (name: string, part: keyof typeof light) =>
    `--${name}: light-dark(${light[part]}, ${dark[part]})`;
  return [
    inBoth("accent", "accent"),
    inBoth("accent-strong", "strong"),
    inBoth("accent-soft", "soft"),
    inBoth("on-accent", "onAccent"),
  ];
}

function fontFace(family: string, path: string): string {
  return rule("@font-face", [
    `font-family: ${family}`,
    `src: url("${path}") format("woff2")`,
    "font-weight: 100 900",
    // Text is there before the font is.
    "font-display: swap",
  ]);
}

function rule(selector: string, declarations: readonly string[]): string {
  return `${selector} {\n${declarations.map((declaration) => `  ${declaration};\n`).join("")}}\n`;
}
