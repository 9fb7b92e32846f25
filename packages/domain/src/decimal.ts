/** An exact decimal number, `digits` × 10^`power`. Its digits do not end in a zero. */
export type Decimal = { readonly digits: bigint; readonly power: number };

/** Digits and powers beyond these cost too much to calculate with; a double has at most 17 and ±324. */
const DIGITS_MAX = 400;
const POWER_MAX = 1_000;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Reads a number as JSON or JavaScript writes it; undefined: it is none, or has too many digits. */
export function decimalOf(text: string): Decimal | undefined {
  if (text.length > DIGITS_MAX) return undefined;
  const [, sign, whole = "", fraction = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  if (sign === undefined) return undefined;
  const digits = `${whole}${fraction}`.replace(/0+$/, "");
  const power = whole.length + Number(exponent) - digits.length;
  if (digits === "" || /^0+$/.test(digits)) return { digits: 0n, power: 0 };
  if (Math.abs(power) > POWER_MAX) return undefined;
  return { digits: BigInt(`${sign}${digits}`), power };
}

/** Returns a text that is equal for equal numbers. */
export function spellDecimal({ digits, power }: Decimal): string {
  return `${digits}e${power}`;
}

/** Returns a negative number, 0 or a positive number, as `sort` expects. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const [left, right] = aligned(a, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Returns whether a number is a whole multiple of another one, which is not 0. */
export function isMultipleOf(value: Decimal, step: Decimal): boolean {
  const [left, right] = aligned(value, step);
  return left % right === 0n;
}

/** Returns the digits of both at the smaller power. */
function aligned(a: Decimal, b: Decimal): [bigint, bigint] {
  const power = Math.min(a.power, b.power);
  return [at(a, power), at(b, power)];
}

function at({ digits, power }: Decimal, smaller: number): bigint {
  return digits * 10n ** BigInt(power - smaller);
}
