import { GROWING, rowsPerYear } from "./findings.ts";
import type { Measurement } from "./measurement.ts";

const MIB = 2 ** 20;
/** A number at least this wide keeps the columns apart. */
const COLUMN = 12;

/** Formats what was measured, a column a month. */
export function lifeTable(measurements: readonly Measurement[]): string {
  const row = (name: string, of: (one: Measurement) => number) =>
    `${name.padEnd(52)}${measurements.map((one) => String(of(one)).padStart(COLUMN)).join("")}`;
  const mib = (bytes: number) => Math.round((bytes / MIB) * 10) / 10;
  const tables = Object.keys(measurements[0]?.rows ?? {}).sort();
  const calls = Object.keys(measurements[0]?.reads ?? {});
  return [
    row("month", ({ month }) => month),
    row("disk in use, MiB", ({ disk }) => mib(disk.usedBytes)),
    row("disk taken, MiB", ({ disk }) => mib(disk.takenBytes)),
    row("heap, MiB", ({ heapBytes }) => mib(heapBytes)),
    row("resident memory, MiB", ({ residentBytes }) => mib(residentBytes)),
    ...tables.map((table) => row(`rows of ${table}`, ({ rows }) => rows[table] ?? 0)),
    ...calls.map((call) => row(`read by ${call}`, ({ reads }) => reads[call]?.rows ?? 0)),
    ...Object.entries(GROWING).map(
      ([table, why]) => `${table} grows by ${rowsPerYear(measurements, table)} rows a year: ${why}`,
    ),
  ].join("\n");
}
