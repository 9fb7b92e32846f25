import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { exampleFigure, exampleResults } from "./example-results.ts";
import { pageOf, writePage } from "./page.ts";

const latency = { p50Ms: 8, p99Ms: 20.5, p999Ms: 100, maxMs: 100, samples: 300 };

test("the page shows the machine, and each figure with its yardstick and its costs", () => {
  const page = pageOf(exampleResults(exampleFigure({ latency }))).get("results.md");
  expect(page).toContain("2 × Example CPU, 8.0 GB, Linux 6.1, Node 20.19.0");
  expect(page).toContain("the machine is busy (load 1.5 on 2 cores)");
  expect(page).toContain("**Commit** 0123456789ab, 2026-01-02");
  expect(page).toContain("SQLite 3.50.0, WAL, synchronous=FULL");
  expect(page).toContain(
    "| 1 subscription | SQLite, workflow lane | 60.0 deliveries/s | 50.0–70.0 | 8.00 / 20.5 / 100 | 1.50 of bare workflow (40.0) |  |",
  );
  expect(page).toContain(
    "| api 1.00, worker 12.00, temporal 26.00, generator 3.00 | api 4.00 kB | api 150 MB |",
  );
});

test("a figure that was not measured is listed with the reason and without costs", () => {
  const figure = exampleFigure({ name: "streamed", values: [], yardsticks: [], note: "it is not served" });
  const page = pageOf(exampleResults(figure)).get("results.md") ?? "";
  expect(page.match(/\| streamed \|/g)).toHaveLength(1);
  expect(page).toContain("| not measured |  |  |  | it is not served |");
});

test("every chart is on the page, escapes its texts, and shows the product alone", () => {
  const files = pageOf(exampleResults(exampleFigure({ name: "a < b & c" })));
  const charts = [...files.keys()].filter((name) => name.endsWith(".svg"));
  expect(charts).toEqual(["deliver-rate.svg", "ratios.svg", "cpu.svg"]);
  for (const name of charts) {
    expect(files.get("results.md")).toContain(`](${name})`);
    expect(files.get(name)).toContain("a &lt; b &amp; c");
  }
  expect(files.get("cpu.svg")).toContain(">temporal<");
  expect(files.get("cpu.svg")).not.toContain("generator");
});

test("an obsolete chart is removed, and other files stay", () => {
  const folder = mkdtempSync(join(tmpdir(), "posthaste-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["old.svg", "results.json"]) writeFileSync(join(folder, name), "");
  writePage(exampleResults(exampleFigure()), folder);
  expect(readdirSync(folder).sort()).toEqual([
    "cpu.svg",
    "deliver-rate.svg",
    "ratios.svg",
    "results.json",
    "results.md",
  ]);
});
