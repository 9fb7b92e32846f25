import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareDecimals, type Decimal, decimalOf, isMultipleOf, spellDecimal } from "./decimal.ts";
import { noteNumberTexts, numberText } from "./number-texts.ts";

const of = (text: string): Decimal => {
  const decimal = decimalOf(text);
  if (decimal === undefined) throw new Error(`${text} is no decimal`);
  return decimal;
};

describe("a decimal", () => {
  test.each([
    [["1", "1.0", "1e0", "10e-1", "0.1E1", "100e-2"]],
    [["0", "-0", "0.00", "0e99", "-0.0e-7"]],
    [["-12.5", "-1.25e1", "-12500e-3"]],
    [["1e21", "1000000000000000000000", "1E+21"]],
  ])("is the same however it is written: %j", (texts) => {
    expect(new Set(texts.map((text) => spellDecimal(of(text)))).size).toBe(1);
  });

  test.each(["", "-", "1.", ".5", "Infinity", "NaN", "0x10", "1e5000", "9".repeat(401)])(
    "is not read from %j",
    (text) => {
      expect(decimalOf(text)).toBeUndefined();
    },
  );

  const written = fc.record({
    digits: fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
    places: fc.integer({ min: 0, max: 25 }),
  });
  /** Writes digits with the point moved to the left: by text alone. */
  const text = ({ digits, places }: { digits: bigint; places: number }): string => {
    const all = (digits < 0n ? -digits : digits).toString().padStart(places + 1, "0");
    const [whole, fraction] = [all.slice(0, all.length - places), all.slice(all.length - places)];
    return `${digits < 0n ? "-" : ""}${whole}${places === 0 ? "" : `.${fraction}`}`;
  };

  test("is compared with another as their whole numbers of units are", () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        const units = ({ digits, places }: typeof a) => digits * 10n ** BigInt(25 - places);
        const expected = units(a) < units(b) ? -1 : units(a) > units(b) ? 1 : 0;
        expect(compareDecimals(of(text(a)), of(text(b)))).toBe(expected);
      }),
    );
  });

  test("is a multiple of a step if it was made from it", () => {
    const step = fc.record({ digits: fc.bigInt({ min: 1n, max: 10n ** 12n }), places: fc.nat(12) });
    fc.assert(
      fc.property(
        step,
        fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
        fc.boolean(),
        (by, times, isOff) => {
          fc.pre(by.digits > 1n || !isOff);
          const digits = by.digits * times + (isOff ? 1n : 0n);
          expect(isMultipleOf(of(text({ digits, places: by.places })), of(text(by)))).toBe(!isOff);
        },
      ),
    );
  });

  test.each(["0.01", "0.1", "0.001"])("every amount with its places is a multiple of %s", (step) => {
    const places = step.length - 2;
    for (let n = 0; n < 10_000; n++) {
      expect(isMultipleOf(of(text({ digits: BigInt(n), places })), of(step))).toBe(true);
    }
  });
});

describe("the text of a number", () => {
  test("is kept where the double would not give it back, at any depth", () => {
    const json = '{"a":0.1000000000000000055,"b":[12345678901234567891,1.5],"c":{"d":1e400,"e":2},"f":1.10}';
    const value = JSON.parse(json);
    noteNumberTexts(value, json);
    expect(numberText(value, "a", value.a)).toBe("0.1000000000000000055");
    expect(numberText(value.b, 0, value.b[0])).toBe("12345678901234567891");
    expect(numberText(value.b, 1, value.b[1])).toBe("1.5");
    expect(numberText(value.c, "d", value.c.d)).toBe("1e400");
    expect(numberText(value.c, "e", value.c.e)).toBe("2");
  });

  test("is its double's if the text has no long number", () => {
    const value = { a: 19.99 };
    noteNumberTexts(value, '{"a":19.99}');
    expect(numberText(value, "a", 19.99)).toBe("19.99");
  });
});
