import { readFileSync } from "node:fs";
import { colord } from "colord";
import { describe, expect, test } from "vitest";
import { accentOf, DARK, LIGHT } from "./accent.ts";

const THEMES = { light: LIGHT, dark: DARK };
/** Every 51st value of each channel: 216 colours with black, white and all pure ones. */
const STEPS = [0, 51, 102, 153, 204, 255];
const COLORS = STEPS.flatMap((r) =>
  STEPS.flatMap((g) => STEPS.map((b) => colord({ r, g, b, a: 1 }).toHex())),
);

describe.each(Object.entries(THEMES))("in the %s theme", (_name, theme) => {
  test("every colour becomes legible on every surface and on its own tint", () => {
    for (const color of COLORS) {
      const { accent, soft } = accentOf(color, theme);
      for (const surface of [...theme.surfaces, soft]) {
        expect([color, surface, colord(accent).contrast(surface) >= 4.5]).toEqual([color, surface, true]);
      }
    }
  });

  test("the text of buttons is legible, also under the pointer", () => {
    for (const color of COLORS) {
      const { accent, strong, onAccent } = accentOf(color, theme);
      for (const background of [accent, strong]) {
        expect([color, colord(background).contrast(onAccent) >= 4.5]).toEqual([color, true]);
      }
    }
  });

  test("a colour keeps its hue unless it becomes black or white", () => {
    for (const color of COLORS) {
      const [before, after] = [colord(color).toHsl(), colord(accentOf(color, theme).accent).toHsl()];
      if (before.s === 0 || after.l <= 1 || after.l >= 99) continue;
      const difference = Math.abs(before.h - after.h);
      expect([color, Math.min(difference, 360 - difference) <= 4]).toEqual([color, true]);
    }
  });
});

test("a colour that is legible is left as it is", () => {
  expect(accentOf("#0b5e4a", LIGHT).accent).toBe("#0b5e4a");
  expect(accentOf("#7ee0c0", DARK).accent).toBe("#7ee0c0");
});

test("a colour that is not legible is darker in the light theme, and lighter in the dark one", () => {
  const yellow = colord("#ffd400").toHsl().l;
  expect(colord(accentOf("#ffd400", LIGHT).accent).toHsl().l).toBeLessThan(yellow);
  const navy = colord("#102040").toHsl().l;
  expect(colord(accentOf("#102040", DARK).accent).toHsl().l).toBeGreaterThan(navy);
});

test("the surfaces are those of the page", () => {
  const tokens = readFileSync(new URL("../../../console/src/styles/tokens.css", import.meta.url), "utf8");
  const names = ["surface", "bg", "surface-2"];
  const pairs = names.map((name) => tokens.match(`--${name}: light-dark\\((#\\w+), (#\\w+)\\)`) ?? []);
  expect(pairs.map(([, light]) => light)).toEqual(LIGHT.surfaces);
  expect(pairs.map(([, , dark]) => dark)).toEqual(DARK.surfaces);
});
