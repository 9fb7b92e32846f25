import type { Figure } from "./results.ts";

/** Formats a number with three significant digits, or as an integer from 100. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "n/a";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** Formats bytes as kB, MB or GB (powers of ten). */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return "n/a";
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${formatNumber(bytes / 1e6)} MB`;
  return `${formatNumber(bytes / 1e3)} kB`;
}

/** Formats the minimum and the maximum of several runs; empty for one run. */
export function formatSpread(values: readonly number[]): string {
  if (values.length < 2) return "";
  return `${formatNumber(Math.min(...values))}–${formatNumber(Math.max(...values))}`;
}

/** Formats values by process, without those that round to zero; "n/a" if the system measured none. */
export function formatByProcess(
  values: Readonly<Record<string, number>>,
  format: (value: number) => string,
): string {
  const known = Object.entries(values).map(([name, value]) => `${name} ${format(value)}`);
  const parts = known.filter((part) => !/ 0\.00\b/.test(part));
  return known.length === 0 ? "n/a" : parts.length === 0 ? "none" : parts.join(", ");
}

/** Formats the database and the lane of a figure. */
export function placeOf({ database, lane }: Pick<Figure, "database" | "lane">): string {
  const name = { sqlite: "SQLite", mysql: "MySQL" }[database];
  return lane === null ? name : `${name}, ${lane} lane`;
}
