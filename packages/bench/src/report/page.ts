import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyness } from "../machine.ts";
import { median } from "../measure/statistics.ts";
import { chartsOf } from "./charts.ts";
import { formatByProcess, formatBytes, formatNumber, formatSpread, placeOf } from "./format.ts";
import type { BenchResults, Figure } from "./results.ts";

/** Returns the results page and its charts, by file name. */
export function pageOf(results: BenchResults): ReadonlyMap<string, string> {
  const charts = chartsOf(results);
  const scenarios = [...new Set(results.figures.map(({ scenario }) => scenario))];
  const { machine } = results;
  const busy = busyness(machine);
  const lines = [
    "# Benchmark results",
    "",
    "Written by `npm run bench -- page FILE` from the results of one run. [Benchmarks](../benchmarks.md) explains them.",
    "",
    `- **Machine** ${machine.cores} × ${machine.cpu}, ${formatBytes(machine.memoryBytes)}, ${machine.os}, Node ${machine.node}`,
    `- **Commit** ${results.commit}, ${results.at.slice(0, 10)}${results.quick ? ", a quick run" : ""}`,
    ...Object.entries(results.databases).map(([name, settings]) => `- **${titleOf(name)}** ${settings}`),
    ...(busy === undefined ? [] : [`- **Load** ${busy}`]),
    "",
    "Load generator, receiver, API, worker, Temporal and the database share the machine's cores. A value is",
    "the median of the runs, with minimum and maximum as its spread. A ratio is the median of the ratios",
    "within each run. CPU, written bytes and memory are by process, and n/a if the system does not report",
    "them.",
    ...charts.flatMap(({ fileName, title }) => ["", `![${title}](${fileName})`]),
    ...scenarios.flatMap((scenario) => sectionOf(scenario, results.figures)),
    "",
  ];
  return new Map([
    ["results.md", lines.join("\n")],
    ...charts.map(({ fileName, svg }) => [fileName, svg] as const),
  ]);
}

/** Writes the page into a folder, and removes its obsolete charts. Returns the file names. */
export function writePage(results: BenchResults, folder: string): readonly string[] {
  const files = pageOf(results);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".svg") && !files.has(name)) rmSync(join(folder, name));
  }
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return [...files.keys()];
}

function sectionOf(scenario: string, all: readonly Figure[]): string[] {
  const figures = all.filter((figure) => figure.scenario === scenario);
  return [
    "",
    `## ${titleOf(scenario)}`,
    "",
    "| figure | where | median | spread | p50 / p99 / p99.9 ms | ratio to its yardsticks | note |",
    "|---|---|---|---|---|---|---|",
    ...figures.map(valueRow),
    "",
    "| figure | where | CPU ms per item | written per item | peak memory |",
    "|---|---|---|---|---|",
    ...figures.filter(({ values }) => values.length > 0).map(costRow),
  ];
}

function valueRow(figure: Figure): string {
  const { name, values, unit, latency, yardsticks, note } = figure;
  return row(
    name,
    placeOf(figure),
    values.length === 0 ? "not measured" : `${formatNumber(median(values))} ${unit}`,
    formatSpread(values),
    latency === null ? "" : [latency.p50Ms, latency.p99Ms, latency.p999Ms].map(formatNumber).join(" / "),
    yardsticks
      .map((one) => `${one.ratio.toFixed(2)} of ${one.name} (${formatNumber(median(one.values))})`)
      .join("; "),
    note,
  );
}

function costRow(figure: Figure): string {
  return row(
    figure.name,
    placeOf(figure),
    formatByProcess(figure.cpuMs, (ms) => ms.toFixed(2)),
    formatByProcess(figure.writtenBytes, formatBytes),
    formatByProcess(figure.peakBytes, formatBytes),
  );
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function titleOf(name: string): string {
  return { sqlite: "SQLite", mysql: "MySQL" }[name] ?? `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
