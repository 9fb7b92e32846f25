import { expect, test } from "vitest";
import { exampleFigure, exampleResults } from "./example-results.ts";
import { formatResults, parseResults } from "./results.ts";

test("results are read back as they were written", () => {
  const results = exampleResults(exampleFigure({ values: [59.125] }));
  expect(parseResults(formatResults(results), "a.json")).toEqual(results);
});

test("the runs of a figure are on one line", () => {
  const text = formatResults(exampleResults(exampleFigure({ values: [60, 50.5] })));
  expect(text).toContain('"values": [60, 50.5],');
  expect(text).toContain('"values": [40, 40, 40],');
});

test("numbers are rounded to five significant digits", () => {
  expect(formatResults(exampleResults(exampleFigure({ values: [1 / 3] })))).toContain("0.33333");
  expect(formatResults(exampleResults(exampleFigure({ values: [1 / 3] })))).not.toContain("0.333333");
});

test.each([
  ["", "a.json is not JSON"],
  ["null", "a.json holds no figures"],
  ['{"schema":1}', "a.json holds no figures"],
  ['{"schema":99,"figures":[]}', "a.json has schema 99, but this version reads schema 1"],
])("the file %j is refused, and the error says what to do", (text, words) => {
  expect(() => parseResults(text, "a.json")).toThrow(words);
});
