import { median } from "../measure/statistics.ts";
import { formatByProcess, formatBytes, formatNumber, formatSpread, placeOf } from "./format.ts";
import type { Figure } from "./results.ts";

/** Formats a figure for the terminal: the value, then its yardsticks, percentiles and costs. */
export function figureLines(figure: Figure): readonly string[] {
  const { name, values, unit, latency, yardsticks, item, note } = figure;
  const spread = formatSpread(values);
  const value = values.length === 0 ? "not measured" : `${formatNumber(median(values))} ${unit}`;
  const head = `${name} (${placeOf(figure)}): ${value}${spread === "" ? "" : ` (${spread})`}${note === "" ? "" : ` · ${note}`}`;
  const ratios = yardsticks.map(
    (one) => `${one.ratio.toFixed(2)} of ${one.name} (${formatNumber(median(one.values))})`,
  );
  const percentiles =
    latency === null
      ? []
      : [
          `p50 ${formatNumber(latency.p50Ms)}, p99 ${formatNumber(latency.p99Ms)}, p99.9 ${formatNumber(latency.p999Ms)}, longest ${formatNumber(latency.maxMs)} ms (${latency.samples} calls)`,
        ];
  const costs =
    Object.keys(figure.cpuMs).length === 0
      ? []
      : [
          `CPU ms per ${item}: ${formatByProcess(figure.cpuMs, (ms) => ms.toFixed(2))}`,
          `written per ${item}: ${formatByProcess(figure.writtenBytes, formatBytes)}`,
          `peak memory: ${formatByProcess(figure.peakBytes, formatBytes)}`,
        ];
  return [
    head,
    ...[ratios.join("; "), ...percentiles, ...costs]
      .filter((line) => line !== "")
      .map((line) => `    ${line}`),
  ];
}
