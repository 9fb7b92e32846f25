import type { Measurement } from "./measurement.ts";

const MIB = 2 ** 20;
const MONTHS_PER_YEAR = 365 / 30;

/** How much more the last month may have than the first: a share of it, and a fixed amount. */
export type Tolerance = { readonly share: number; readonly fixed: number; readonly why: string };

export const TOLERANCES = {
  rows: {
    share: 0.05,
    fixed: 50,
    why: "rounds end at slightly different times, so retention deletes up to a batch more or less",
  },
  disk: {
    share: 0.1,
    fixed: 12 * MIB,
    why: "B-trees split their pages at random; MySQL takes 1 MiB at a time for each of 40 indexes",
  },
  heap: { share: 0.1, fixed: 2 * MIB, why: "code that was compiled since, and statements kept prepared" },
  resident: { share: 0.15, fixed: 24 * MIB, why: "the heap's own steps, and the allocator's arenas" },
  reads: {
    share: 0.25,
    fixed: 100,
    why: "the planner samples; where rows lie in their batch varies",
  },
} as const satisfies Readonly<Record<string, Tolerance>>;

/**
 * The tables that grow, and why they may. Every other table must be constant: a table that nobody thought of
 * is found.
 */
export const GROWING: Readonly<Record<string, string>> = {
  accounts: "an erased account keeps its number, which no other may get",
  erasures: "the receipt of an erasure, which its owner may ask for at any time",
  recoveries: "who had what sent again, at the owner's request",
  subscriptions: "an ended one stays, so that its id never becomes another's, and deleting it again succeeds",
  turns: "the line of each subscription, one small row",
  event_type_versions: "the versions of an event type, at most 1,000 of each",
};

export type Finding = { readonly what: string; readonly first: string; readonly last: string };

/** Compares the last month with the first, and lists what grew. */
export function findingsFrom(measurements: readonly Measurement[]): Finding[] {
  const [first, last] = [measurements[0], measurements.at(-1)];
  if (first === undefined || last === undefined || first === last) {
    throw new Error("growth shows only in two months or more");
  }
  const grew = (what: string, before: number, after: number, of: Tolerance): Finding[] =>
    after <= before * (1 + of.share) + of.fixed ? [] : [{ what, first: `${before}`, last: `${after}` }];
  return [
    ...Object.entries(last.rows)
      .filter(([table]) => !(table in GROWING))
      .flatMap(([table, rows]) => grew(`rows of ${table}`, first.rows[table] ?? 0, rows, TOLERANCES.rows)),
    ...grew("bytes in use on the disk", first.disk.usedBytes, last.disk.usedBytes, TOLERANCES.disk),
    ...grew("bytes taken from the disk", first.disk.takenBytes, last.disk.takenBytes, TOLERANCES.disk),
    ...grew("bytes of the heap", first.heapBytes, last.heapBytes, TOLERANCES.heap),
    ...grew("bytes of resident memory", first.residentBytes, last.residentBytes, TOLERANCES.resident),
    ...Object.entries(last.reads).flatMap(([call, { rows, plans }]) => {
      const before = first.reads[call];
      if (before === undefined) throw new Error(`${call} was not measured in the first month`);
      const isSame = plans.join("\n") === before.plans.join("\n");
      return [
        ...grew(`rows read by ${call}`, before.rows, rows, TOLERANCES.reads),
        ...(isSame
          ? []
          : [{ what: `plan of ${call}`, first: before.plans.join("; "), last: plans.join("; ") }]),
        ...plans.filter(isScan).map((plan) => ({ what: `plan of ${call}`, first: "a search", last: plan })),
      ];
    }),
  ];
}

/** What may be read whole: a table that is normally empty, and lists of constants. */
const SMALL = /^SCAN (fanouts|CONSTANT|\d)/;

/** Tells whether SQLite reads a whole table, or a whole index. */
function isScan(plan: string): boolean {
  return plan.startsWith("SCAN ") && !SMALL.test(plan);
}

/** Returns by how many rows a table grows in a year, at the pace of these months. */
export function rowsPerYear(measurements: readonly Measurement[], table: string): number {
  const [first, last] = [measurements[0], measurements.at(-1)];
  if (first === undefined || last === undefined || first === last) return 0;
  const grown = (last.rows[table] ?? 0) - (first.rows[table] ?? 0);
  return Math.round((grown / (last.month - first.month)) * MONTHS_PER_YEAR);
}
