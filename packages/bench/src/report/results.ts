import { Complaint } from "@posthaste/runtime/terminal";
import type { Latency } from "../measure/statistics.ts";

/** The version of the file format. Other versions are refused. */
const SCHEMA = 1;

export type Database = "sqlite" | "mysql";
export type Lane = "workflow" | "direct";

/** A yardstick's rates, run by run, and the figure's ratio to them. */
export type YardstickFigure = {
  readonly name: string;
  readonly values: readonly number[];
  /** The median of the ratios within each run. */
  readonly ratio: number;
};

/** One measured figure. */
export type Figure = {
  readonly scenario: string;
  readonly name: string;
  readonly database: Database;
  /** Null = the figure does not depend on the lane. */
  readonly lane: Lane | null;
  readonly unit: string;
  readonly better: "more" | "less";
  /** One value per run. Empty if it could not be measured; the note then says why. */
  readonly values: readonly number[];
  readonly latency: Latency | null;
  /** The item that the costs refer to, such as `delivery`. */
  readonly item: string;
  /** Milliseconds per item, by process. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly writtenBytes: Readonly<Record<string, number>>;
  readonly peakBytes: Readonly<Record<string, number>>;
  /** `--compare` uses the first. */
  readonly yardsticks: readonly YardstickFigure[];
  readonly note: string;
};

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  readonly node: string;
  /** The load average of the minute before the run, caused by other programs. */
  readonly loadBefore: number;
};

/** The results of one run, as they are stored in a file. */
export type BenchResults = {
  readonly schema: typeof SCHEMA;
  /** When the run started, in ISO 8601. */
  readonly at: string;
  /** Ends with `+` if the work tree had uncommitted changes. */
  readonly commit: string;
  readonly quick: boolean;
  readonly machine: Machine;
  /** The server's or library's version and settings, by database. */
  readonly databases: Readonly<Partial<Record<Database, string>>>;
  readonly figures: readonly Figure[];
};

export function resultsOf(parts: Omit<BenchResults, "schema">): BenchResults {
  return { schema: SCHEMA, ...parts };
}

export function formatResults(results: BenchResults): string {
  const text = JSON.stringify(results, (_, value) => (typeof value === "number" ? rounded(value) : value), 2);
  // The values of a figure stay on one line, as the repository's formatter puts them.
  return `${text.replaceAll(/\[([\d\s.,e+-]+)\]/g, (_, list: string) => `[${list.trim().replaceAll(/\s+/g, " ")}]`)}\n`;
}

/**
 * Parses a file of results.
 *
 * @param name the file's name, for the error
 * @throws Complaint if {@link formatResults} did not write the text
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
    throw new Complaint(
      `${name} holds no figures: give a file that npm run bench -- --json FILE has written`,
    );
  }
  if (schema !== SCHEMA) {
    throw new Complaint(
      `${name} has schema ${schema}, but this version reads schema ${SCHEMA}: measure again with --json`,
    );
  }
  return value as BenchResults;
}

/** Returns the key that identifies a figure in every run. */
export function keyOf({ scenario, name, database, lane }: Figure): string {
  return [scenario, name, database, ...(lane === null ? [] : [lane])].join(" · ");
}

const LOAD = new Set(["receiver", "generator"]);

/** Returns the CPU per item of the product's processes, without those of load generator and receiver. */
export function productCpuMs({ cpuMs }: Figure): ReadonlyMap<string, number> {
  return new Map(Object.entries(cpuMs).filter(([name]) => !LOAD.has(name)));
}

/** Returns the CPU per item of the whole product, in ms; NaN if none was measured. */
export function productCpuMsOf(figure: Figure): number {
  const parts = [...productCpuMs(figure).values()];
  return parts.length === 0 ? Number.NaN : parts.reduce((sum, ms) => sum + ms, 0);
}

/** Rounds to five significant digits: more than a measurement has, and easy to read in a diff. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : value;
}
