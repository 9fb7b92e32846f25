import {
  compareDecimals,
  type Decimal,
  decimalOf,
  hasNumberText,
  isMultipleOf,
  numberText,
  spellDecimal,
} from "@posthaste/domain";
import type { FuncKeywordDefinition } from "ajv";
import type { Ajv2020 } from "ajv/dist/2020.js";
import type { DataValidateFunction, DataValidationCxt } from "ajv/dist/types/index.js";
import { charge, newWork, spending } from "./work.ts";

/** Characters of a text per step. */
const CHARS_A_STEP = 16;

/*
 * JSON's numbers are decimals, and a schema means what it says: 19.99 is a multiple of 0.01, and
 * 0.09999999999999999999 is below 0.1. Ajv calculates with IEEE doubles, for which neither holds.
 *
 * A schema's own numbers are doubles. The shortest text of one is what was written, if that had up to 15
 * digits; with more, doubles are compared, so that a value equals what it was copied from.
 */
const WRITTEN_DIGITS_MAX = 15;

/** Replaces the keywords of Ajv that compare or divide numbers. */
export function countExactly(ajv: Ajv2020): void {
  const keywords = [
    numeric("multipleOf", "be multiple of", isMultipleOf),
    numeric("minimum", "be >=", (value, limit) => compareDecimals(value, limit) >= 0),
    numeric("maximum", "be <=", (value, limit) => compareDecimals(value, limit) <= 0),
    numeric("exclusiveMinimum", "be >", (value, limit) => compareDecimals(value, limit) > 0),
    numeric("exclusiveMaximum", "be <", (value, limit) => compareDecimals(value, limit) < 0),
    { keyword: "enum", schemaType: "array", compile: isOneOf },
    { keyword: "const", compile: isThis },
  ] satisfies (FuncKeywordDefinition & { keyword: string })[];
  for (const definition of keywords) {
    ajv.removeKeyword(definition.keyword);
    ajv.addKeyword(definition);
  }
}

type NumericKeyword = "multipleOf" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum";

/** What a double decides, if a number has too many digits to be read. */
const BY_DOUBLE: Readonly<Record<NumericKeyword, (value: number, limit: number) => boolean>> = {
  multipleOf: (value, step) => Number.isInteger(value / step),
  minimum: (value, limit) => value >= limit,
  maximum: (value, limit) => value <= limit,
  exclusiveMinimum: (value, limit) => value > limit,
  exclusiveMaximum: (value, limit) => value < limit,
};

function numeric(
  keyword: NumericKeyword,
  words: string,
  holds: (value: Decimal, limit: Decimal) => boolean,
): FuncKeywordDefinition & { keyword: string } {
  return {
    keyword,
    type: "number",
    schemaType: "number",
    compile(limit: number) {
      const exactLimit = isAsWritten(limit) ? decimalOf(String(limit)) : undefined;
      const byDouble = BY_DOUBLE[keyword];
      const isRight = (value: number, at: DataValidationCxt | undefined): boolean => {
        // Two doubles are in the order of their shortest texts.
        if (keyword !== "multipleOf" && !isNoted(at)) return byDouble(value, limit);
        const exact = decimalOf(textAt(value, at));
        return exact === undefined || exactLimit === undefined
          ? byDouble(value, limit)
          : holds(exact, exactLimit);
      };
      return failing(isRight, { keyword, message: `must ${words} ${limit}`, params: { limit } });
    },
  };
}

function isOneOf(allowedValues: readonly unknown[]): DataValidateFunction {
  const message = "must be equal to one of the allowed values";
  return failing(equalsOneOf(allowedValues), { keyword: "enum", message, params: { allowedValues } });
}

function isThis(allowedValue: unknown): DataValidateFunction {
  const message = "must be equal to constant";
  return failing(equalsOneOf([allowedValue]), { keyword: "const", message, params: { allowedValue } });
}

function equalsOneOf(values: readonly unknown[]) {
  // A schema has 64 KiB: what its own values cost needs no bound.
  const spelled = (value: unknown) => spending(newWork(Number.POSITIVE_INFINITY), () => spell(value));
  const exact = new Set(values.filter(isAsWritten).map(spelled));
  const doubles = new Set(values.filter((value) => !isAsWritten(value)).map(spelled));
  return (value: unknown, at: DataValidationCxt | undefined): boolean =>
    exact.has(spell(value, at)) || (doubles.size > 0 && doubles.has(spell(value)));
}

/** Returns whether all numbers in a value of a schema are what was written. */
function isAsWritten(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isAsWritten);
  if (typeof value !== "number") return true;
  const digits = String(value)
    .replace(/e.*$/, "")
    .replace(/^-?0?\.?0*/, "")
    .replace(".", "");
  return digits.replace(/0+$/, "").length <= WRITTEN_DIGITS_MAX;
}

type Failure = {
  readonly keyword: string;
  readonly message: string;
  readonly params: Record<string, unknown>;
};

/** Makes a check one of Ajv's, which reads its errors from the function itself. */
function failing<T>(
  isRight: (value: T, at: DataValidationCxt | undefined) => boolean,
  failure: Failure,
): DataValidateFunction {
  const validate: DataValidateFunction = (value: T, at?: DataValidationCxt) => {
    const holds = isRight(value, at);
    validate.errors = holds ? [] : [failure];
    return holds;
  };
  return validate;
}

/** Where a value is: in which object or list, and under which key. */
type Place = Pick<DataValidationCxt, "parentData" | "parentDataProperty">;

function isNoted(at: Place | undefined): boolean {
  return isHeld(at) && hasNumberText(at.parentData, at.parentDataProperty);
}

function textAt(value: number, at: Place | undefined): string {
  const text = isHeld(at) ? numberText(at.parentData, at.parentDataProperty, value) : String(value);
  charge(1 + Math.floor(text.length / CHARS_A_STEP));
  return text;
}

/** Returns whether there is something around the value, which is then not the whole snapshot. */
function isHeld(at: Place | undefined): at is Place {
  return typeof at?.parentData === "object" && at.parentData !== null;
}

/**
 * Returns a text that is equal for equal values.
 *
 * @param at where the value is, so that its numbers count as they are written. Default: as doubles
 */
export function spell(value: unknown, at?: Place): string {
  charge(1);
  const inner = (member: unknown, key: string | number) =>
    spell(member, at && { parentData: value as object, parentDataProperty: key });
  if (Array.isArray(value)) return `[${value.map(inner).join()}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${inner(member, key)}`).join()}}`;
  }
  if (typeof value === "number") {
    const text = textAt(value, at);
    const exact = decimalOf(text);
    return exact === undefined ? text : spellDecimal(exact);
  }
  if (typeof value === "string") charge(Math.floor(value.length / CHARS_A_STEP));
  return JSON.stringify(value);
}
