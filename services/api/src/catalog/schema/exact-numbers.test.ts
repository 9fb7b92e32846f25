import type { JsonObject } from "@bufbuild/protobuf";
import { noteNumberTexts } from "@posthaste/domain";
import { describe, expect, test } from "vitest";
import { compileSchema } from "./compile-schema.ts";
import { newWork } from "./work.ts";

/** Returns whether a snapshot with this number matches a schema with this rule for it. */
function fits(rule: JsonObject, number: string): boolean {
  const json = `{"a":${number},"b":[${number}],"c":{"d":${number}}}`;
  const snapshot = JSON.parse(json) as object;
  noteNumberTexts(snapshot, json);
  const properties = { a: rule, b: { items: rule }, c: { properties: { d: rule } } };
  const errors = compileSchema({ type: "object", properties })(snapshot, newWork());
  // Alone, in a list and in an object: all or none of the three.
  expect([0, 3]).toContain(errors.length);
  return errors.length === 0;
}

describe("numbers are decimals, as they are written", () => {
  test("every amount in cents is a multiple of 0.01, and no other", () => {
    const validate = compileSchema({ properties: { a: { multipleOf: 0.01 } } });
    const wrong: string[] = [];
    for (let cents = 0; cents <= 10_000; cents++) {
      const text = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
      const errors = (amount: string) => validate({ a: Number(amount) }, newWork()).length;
      if (errors(text) > 0 || errors(`${text}5`) === 0) wrong.push(text);
    }
    expect(wrong).toEqual([]);
  });

  test.each<[rule: JsonObject, right: string[], wrong: string[]]>([
    [{ multipleOf: 0.1 }, ["0.3", "1e300", "-7.7", "0"], ["0.35", "0.10000000000000000001"]],
    [{ multipleOf: 3 }, ["9007199254740993", "-3"], ["9007199254740992", "12345678901234567892"]],
    [{ minimum: 0.1 }, ["0.1", "0.10", "1e-1"], ["0.09999999999999999999"]],
    [{ maximum: 0.1 }, ["0.1", "0.09999999999999999999"], ["0.10000000000000000001"]],
    [{ exclusiveMinimum: 0.1 }, ["0.10000000000000000001"], ["0.1", "0.1000"]],
    [{ exclusiveMaximum: 0.1 }, ["0.09999999999999999999"], ["0.1", "0.10000000000000000001"]],
    [{ enum: [0.1, 2] }, ["0.1", "0.100", "2.0"], ["0.1000000000000000001", "3"]],
    [{ const: 9007199254740991 }, ["9007199254740991", "9007199254740991.0"], ["9007199254740992"]],
    // A schema's number of more than 15 digits is a double: what it was copied from still equals it.
    [{ const: Number("12345678901234567891") }, ["12345678901234567891"], ["12345678901234500000"]],
  ])("%j", (rule, right, wrong) => {
    for (const number of right) expect([number, fits(rule, number)]).toEqual([number, true]);
    for (const number of wrong) expect([number, fits(rule, number)]).toEqual([number, false]);
  });

  test("two long ids that differ in their last digit are two", () => {
    const validate = compileSchema({ properties: { ids: { uniqueItems: true } } });
    const errorsOf = (json: string) => {
      const snapshot = JSON.parse(json) as object;
      noteNumberTexts(snapshot, json);
      return validate(snapshot, newWork()).length;
    };
    expect(errorsOf('{"ids":[12345678901234567891,12345678901234567892]}')).toBe(0);
    expect(errorsOf('{"ids":[12345678901234567891,12345678901234567891]}')).toBe(1);
    expect(errorsOf('{"ids":[{"a":1.0},{"a":1}]}')).toBe(1);
  });

  test("a violation names the rule, and no value of the snapshot", () => {
    const [error] = compileSchema({ properties: { a: { multipleOf: 0.01 } } })({ a: 19.999 }, newWork());
    expect(error).toMatchObject({
      instancePath: "/a",
      keyword: "multipleOf",
      message: "must be multiple of 0.01",
    });
  });
});
