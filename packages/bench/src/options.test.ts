import { expect, test } from "vitest";
import { BENCH_USAGE, parseBenchOptions } from "./options.ts";
import { SCENARIOS } from "./scenarios/index.ts";

test("the default is every scenario on both databases and in both lanes", () => {
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

test("a quick run is on SQLite and in the workflow lane, unless options say otherwise", () => {
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

test("scenarios run once each, in the order in which they are named", () => {
  const options = parseBenchOptions(["latency", "ingest", "latency", "--json", "a", "--compare", "b"]);
  expect(options).toMatchObject({ kind: "measure", json: "a", compare: "b" });
  expect(options.kind === "measure" && options.scenarios.map(({ name }) => name)).toEqual([
    "latency",
    "ingest",
  ]);
});

test("help and page do not measure", () => {
  expect(parseBenchOptions(["-h"])).toEqual({ kind: "help" });
  expect(parseBenchOptions(["page", "results.json"])).toEqual({ kind: "page", file: "results.json" });
  for (const { name } of SCENARIOS) expect(BENCH_USAGE).toContain(`  ${name} `);
});

test.each([
  [["speed"], 'there is no scenario "speed": choose from ingest, deliver'],
  [["--database", "postgres"], "choose sqlite, mysql or both"],
  [["--lane", "fast"], "choose workflow, direct or both"],
  [["--deliveries", "1e5"], "--deliveries"],
  [["--deliveries", "0"], "--deliveries"],
  [["--deliveries", "1000001"], "--deliveries"],
  [["--loud"], "--help"],
  [["page"], "page needs one file"],
  [["page", "a", "b"], "page needs one file"],
])("%j is refused", (args, words) => {
  expect(() => parseBenchOptions(args)).toThrow(words);
});
