import { type Colord, colord, extend } from "colord";
import a11y from "colord/plugins/a11y";
import mix from "colord/plugins/mix";

extend([a11y, mix]);

/** The colours of the page that follow from the operator's, as `#rrggbb`, in one theme. */
export type Accent = {
  /** Links, the current page in the menu, and the background of primary buttons. */
  readonly accent: string;
  /** The background of primary buttons under the pointer. */
  readonly strong: string;
  /** The background of the current page in the menu. */
  readonly soft: string;
  /** The text of primary buttons. */
  readonly onAccent: string;
};

export type Theme = {
  /** The backgrounds on which the page shows text: its tokens `--surface`, `--bg` and `--surface-2`. */
  readonly surfaces: readonly [string, ...string[]];
  /** How much of the accent the soft colour has. */
  readonly softShare: number;
  readonly isDark: boolean;
};

// accent.test.ts compares the surfaces with those of the page's style sheet.
export const LIGHT: Theme = { surfaces: ["#ffffff", "#f6f7f9", "#f1f3f6"], softShare: 0.1, isDark: false };
export const DARK: Theme = { surfaces: ["#131822", "#0c0f16", "#1a202c"], softShare: 0.16, isDark: true };

/** What WCAG 2.2 asks of text (1.4.3). */
const CONTRAST_MIN = 4.5;
/** How much lighter or darker a button becomes under the pointer, in percent of HSL's lightness. */
const STRONG_STEP = 10;
/** The texts of buttons to choose from: those of the page's own accents. */
const TEXTS = ["#ffffff", "#0c0f16"];

/**
 * Returns the operator's colour for a theme, `#rrggbb`. If it is not legible there, its lightness changes by
 * as little as is needed; its hue stays.
 */
export function accentOf(color: string, theme: Theme): Accent {
  const accent = legible(colord(color), theme);
  const strong = shifted(accent, theme, STRONG_STEP);
  return {
    accent: accent.toHex(),
    strong: strong.toHex(),
    soft: softOf(accent, theme).toHex(),
    onAccent: textOn([accent, strong]),
  };
}

function legible(color: Colord, theme: Theme): Colord {
  for (let step = 0; step < 100; step++) {
    const candidate = shifted(color, theme, step);
    const surfaces = [...theme.surfaces, softOf(candidate, theme)];
    if (surfaces.every((surface) => candidate.contrast(surface) >= CONTRAST_MIN)) return candidate;
  }
  return shifted(color, theme, 100);
}

/** Moves a colour away from the surfaces, at most to black or white. */
function shifted(color: Colord, { isDark }: Theme, percent: number): Colord {
  if (percent === 0) return color;
  return rounded(isDark ? color.lighten(percent / 100) : color.darken(percent / 100));
}

function softOf(accent: Colord, { surfaces: [surface], softShare }: Theme): Colord {
  return rounded(colord(surface).mix(accent, softShare, "rgb"));
}

/** Returns a colour as the style sheet has it, whose contrast is what counts. */
function rounded(color: Colord): Colord {
  return colord(color.toHex());
}

/** Returns the text whose least contrast with the backgrounds is the highest. */
function textOn(backgrounds: readonly Colord[]): string {
  const least = (text: string) => Math.min(...backgrounds.map((background) => background.contrast(text)));
  return TEXTS.reduce((best, text) => (least(text) > least(best) ? text : best));
}
