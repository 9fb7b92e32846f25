import { ConfigError, oneOf, parsed, type Values } from "@posthaste/runtime";
import { type BrandFile, readFont, readLogo } from "./brand-files.ts";

/** How the operator's console looks. Nothing set: it is Posthaste's. */
export type Brand = {
  /** Null: the page says Posthaste to an operator, and what it is for to a customer. */
  readonly name: string | null;
  readonly logo: BrandFile | null;
  /** `#rrggbb`. */
  readonly color: string | null;
  readonly font: { readonly family: string; readonly file: BrandFile | null } | null;
  /** The theme of who has not chosen one; `system` is the one of the reader's device. */
  readonly theme: "system" | "light" | "dark";
};

/** It stands beside the logo in a column of 224 px, on two lines at most. */
const NAME_CHARS_MAX = 40;
const FAMILY = /^[\p{L}\p{N}][\p{L}\p{N} _-]{0,59}$/u;
/** What the page is called if only its colour, logo or font is set: what it is about. */
const NAMELESS = "Webhooks";

export const BRAND_SETTINGS = {
  POSTHASTE_BRAND_NAME: parsed(
    `The console's name: at most ${NAME_CHARS_MAX} characters. If a name, logo, colour or font is set, no page says Posthaste`,
    null,
    "none",
    brandName,
  ),
  POSTHASTE_BRAND_LOGO: parsed(
    "The path of the console's logo: a square SVG or PNG of at most 100 KiB. It stands before the name, and is the icon of the browser's tab. Default: the name's first letter",
    null,
    "none",
    readLogo,
  ),
  POSTHASTE_BRAND_COLOR: parsed(
    "The colour of links and buttons, as `#RRGGBB`. In each theme, it is made so much darker or lighter that it is legible",
    null,
    "none",
    hexColor,
  ),
  POSTHASTE_BRAND_FONT: parsed(
    "The name of the font family for all text but code, such as `Georgia`. Readers without that font see one of their system's, unless `POSTHASTE_BRAND_FONT_FILE` has it",
    null,
    "none",
    fontFamily,
  ),
  POSTHASTE_BRAND_FONT_FILE: parsed(
    "The path of a WOFF2 file of at most 500 KiB with that family, best a variable one with the weights 400 to 700",
    null,
    "none",
    readFont,
  ),
  POSTHASTE_BRAND_THEME: oneOf(
    "The console's theme until its reader chooses another; `system` is the one that the reader's device has",
    "system",
    ["system", "light", "dark"],
  ),
} as const;

export const NO_BRAND: Brand = { name: null, logo: null, color: null, font: null, theme: "system" };

/** @throws ConfigError if settings do not fit together */
export function brandFrom(config: Values<typeof BRAND_SETTINGS>): Brand {
  const { POSTHASTE_BRAND_FONT: family, POSTHASTE_BRAND_FONT_FILE: file } = config;
  if (file !== null && family === null) {
    throw new ConfigError([
      "POSTHASTE_BRAND_FONT_FILE: set POSTHASTE_BRAND_FONT to the name of the family in the file, too",
    ]);
  }
  const logo = config.POSTHASTE_BRAND_LOGO;
  const color = config.POSTHASTE_BRAND_COLOR;
  const isBranded = logo !== null || color !== null || family !== null;
  return {
    name: config.POSTHASTE_BRAND_NAME ?? (isBranded ? NAMELESS : null),
    ...{ logo, color, font: family === null ? null : { family, file } },
    theme: config.POSTHASTE_BRAND_THEME,
  };
}

function brandName(text: string): string {
  const name = text.trim();
  // Control characters, and those that format, which may hide or turn around what follows.
  if (
    name !== "" &&
    [...name].length <= NAME_CHARS_MAX &&
    name.isWellFormed() &&
    !/[\p{Cc}\p{Cf}]/u.test(name)
  ) {
    return name;
  }
  throw new Error(`expected a name of 1 to ${NAME_CHARS_MAX} characters on one line`);
}

function hexColor(text: string): string {
  if (/^#[0-9a-f]{6}$/i.test(text)) return text.toLowerCase();
  throw new Error("expected a colour as #RRGGBB, such as #0b5e4a");
}

function fontFamily(text: string): string {
  if (FAMILY.test(text)) return text;
  throw new Error("expected one family's name of letters, digits, spaces and hyphens, at most 60 characters");
}
