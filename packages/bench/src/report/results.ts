import { Complaint } from "@posthaste/runtime/terminal";
import type { Latency } from "../measure/statistics.ts";

/** Of the file's shape. A file of another version is refused. */
const SCHEMA = 1;

export type Database = "sqlite" | "mysql";
export type Lane = "workflow" | "direct";

/** A figure's value beside what a part of it could do alone, run by run. */
export type YardstickFigure = {
  readonly name: string;
  readonly values: readonly number[];
  /** The median of each run's own ratio. */
  readonly ratio: number;
};

/** One thing that was measured. */
export type Figure = {
  readonly scenario: string;
  readonly name: string;
  readonly database: Database;
  /** Null: the lane makes no difference. */
  readonly lane: Lane | null;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Run by run; empty where it could not be measured, and the note says why. */
  readonly values: readonly number[];
  readonly latency: Latency | null;
  /** What one item is, such as `delivery`: costs are by it. */
  readonly item: string;
  /** By process. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly writtenBytes: Readonly<Record<string, number>>;
  readonly peakBytes: Readonly<Record<string, number>>;
  /** The first is the one that the figure is compared by. */
  readonly yardsticks: readonly YardstickFigure[];
  readonly note: string;
};

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  /** Processes that wanted a core in the minute before, on average: what else ran there. */
  readonly loadBefore: number;
};

/** What a run of the bench found, as it is kept. */
export type BenchResults = {
  readonly schema: typeof SCHEMA;
  readonly at: string;
  /** `+` at its end: with changes that were not committed. */
  readonly commit: string;
  readonly quick: boolean;
  readonly machine: Machine;
  /** Which server and settings, by database. */
  readonly databases: Readonly<Partial<Record<Database, string>>>;
  readonly figures: readonly Figure[];
};

export function resultsOf(parts: Omit<BenchResults, "schema">): BenchResults {
  return { schema: SCHEMA, ...parts };
}

export function formatResults(results: BenchResults): string {
  const text = JSON.stringify(results, (_, value) => (typeof value === "number" ? rounded(value) : value), 2);
  // The runs of a figure on one line, as the repository's formatter has them.
  return `${text.replaceAll(/\[([\d\s.,e+-]+)\]/g, (_, list: string) => `[${list.trim().replaceAll(/\s+/g, " ")}]`)}\n`;
}

/**
 * @param name of the file, for the complaint
 * @throws Complaint where it is not what {@link formatResults} wrote
 */
export function parseResults(text: string, name: string): BenchResults {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Complaint(`${name} is not JSON: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
  const { schema, figures } = (value ?? {}) as Partial<BenchResults>;
  if (!Array.isArray(figures)) {
    throw new Complaint(`${name} holds no figures: give a file that npm run bench wrote with --json`);
  }
  if (schema !== SCHEMA) {
    throw new Complaint(
      `${name} has the schema ${schema}, and this version reads ${SCHEMA}: measure anew with --json`,
    );
  }
  return value as BenchResults;
}

/** By what a figure is found again in another run. */
export function keyOf({ scenario, name, database, lane }: Figure): string {
  return [scenario, name, database, ...(lane === null ? [] : [lane])].join(" · ");
}

const LOAD = new Set(["receiver", "generator"]);

/** What one item costs the product, by process: what it costs those who make the load is nobody's concern. */
export function productCpuMs({ cpuMs }: Figure): ReadonlyMap<string, number> {
  return new Map(Object.entries(cpuMs).filter(([name]) => !LOAD.has(name)));
}

/** All of the product together; NaN where nothing was seen. */
export function productCpuMsOf(figure: Figure): number {
  const parts = [...productCpuMs(figure).values()];
  return parts.length === 0 ? Number.NaN : parts.reduce((sum, ms) => sum + ms, 0);
}

/** More digits than a measurement has would only make the file's changes hard to read. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : value;
}
