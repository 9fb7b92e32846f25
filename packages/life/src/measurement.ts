import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { countRows, type DiskUse, measureDisk, type RowCounts } from "@posthaste/testkit";
import type { Life } from "./life.ts";
import { type Probed, probe } from "./probes.ts";

/** What was measured at the end of a month. */
export type Measurement = {
  readonly month: number;
  readonly rows: RowCounts;
  readonly disk: DiskUse;
  /** Bytes alive on the heap, after garbage was collected. */
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly reads: Probed;
};

/**
 * Measures the installation.
 *
 * @param probing the same life, on a store with one connection
 */
export async function measure(life: Life, probing: Life, month: number): Promise<Measurement> {
  // The probes leave something behind; they are measured last.
  const rows = await countRows(life.store);
  const disk = await measureDisk(life.store);
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { month, rows, disk, heapBytes: heapUsed, residentBytes: rss, reads: await probe(probing) };
}

/** Twice: what the first collection finalizes, only the second frees. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  gc();
  gc();
}
