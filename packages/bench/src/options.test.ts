import { expect, test } from "vitest";
import { BENCH_USAGE, parseBenchOptions } from "./options.ts";
import { SCENARIOS } from "./scenarios/index.ts";

test("what is not said is everything, everywhere", () => {
  expect(parseBenchOptions([])).toEqual({
    kind: "measure",
    scenarios: SCENARIOS,
    quick: false,
    databases: ["sqlite", "mysql"],
    lanes: ["workflow", "direct"],
    json: undefined,
    compare: undefined,
    profile: undefined,
    deliveries: undefined,
  });
});

test("a quick look is on SQLite and in one lane, unless more is asked for", () => {
  expect(parseBenchOptions(["deliver", "--quick"])).toMatchObject({
    databases: ["sqlite"],
    lanes: ["workflow"],
  });
  expect(parseBenchOptions(["--quick", "--database", "mysql", "--lane", "both"])).toMatchObject({
    quick: true,
    databases: ["mysql"],
    lanes: ["workflow", "direct"],
  });
});

test("scenarios are run in the order they are named, once each", () => {
  const options = parseBenchOptions(["latency", "ingest", "latency", "--json", "a", "--compare", "b"]);
  expect(options).toMatchObject({ kind: "measure", json: "a", compare: "b" });
  expect(options.kind === "measure" && options.scenarios.map(({ name }) => name)).toEqual([
    "latency",
    "ingest",
  ]);
});

test("help and page are apart from measuring", () => {
  expect(parseBenchOptions(["-h"])).toEqual({ kind: "help" });
  expect(parseBenchOptions(["page", "results.json"])).toEqual({ kind: "page", file: "results.json" });
  for (const { name } of SCENARIOS) expect(BENCH_USAGE).toContain(`  ${name} `);
});

test.each([
  [["speed"], 'there is no scenario "speed": choose among ingest, deliver'],
  [["--database", "postgres"], "choose sqlite, mysql or both"],
  [["--lane", "fast"], "choose workflow, direct or both"],
  [["--deliveries", "1e5"], "--deliveries"],
  [["--deliveries", "0"], "--deliveries"],
  [["--deliveries", "1000001"], "--deliveries"],
  [["--loud"], "--help"],
  [["page"], "page wants one file"],
  [["page", "a", "b"], "page wants one file"],
])("%j is refused", (args, words) => {
  expect(() => parseBenchOptions(args)).toThrow(words);
});
