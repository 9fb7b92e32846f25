import { type BenchResults, type Figure, resultsOf } from "./results.ts";

/** Returns a figure for tests, with the given parts replaced. */
export function exampleFigure(parts: Partial<Figure> = {}): Figure {
  return {
    scenario: "deliver",
    name: "1 subscription",
    database: "sqlite",
    lane: "workflow",
    unit: "deliveries/s",
    better: "more",
    values: [60, 50, 70],
    latency: null,
    item: "delivery",
    cpuMs: { api: 1, worker: 12, temporal: 26, generator: 3 },
    writtenBytes: { api: 4_000 },
    peakBytes: { api: 150e6 },
    yardsticks: [{ name: "bare workflow", values: [40, 40, 40], ratio: 1.5 }],
    note: "",
    ...parts,
  };
}

export function exampleResults(...figures: readonly Figure[]): BenchResults {
  return resultsOf({
    at: "2026-01-02T03:04:05.000Z",
    commit: "0123456789ab",
    quick: false,
    machine: {
      cpu: "Example CPU",
      cores: 2,
      memoryBytes: 8e9,
      os: "Linux 6.1",
      node: "20.19.0",
      loadBefore: 1.5,
    },
    databases: { sqlite: "SQLite 3.50.0, WAL, synchronous=FULL" },
    figures,
  });
}
