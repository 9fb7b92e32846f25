import { median } from "../measure/statistics.ts";
import { formatByProcess, formatBytes, formatNumber, formatSpread, placeOf } from "./format.ts";
import type { Figure } from "./results.ts";

/** A figure as a person reads it while the bench runs: the number first, then what it is held against and what it cost. */
export function figureLines(figure: Figure): readonly string[] {
  const { name, values, unit, latency, yardsticks, item, note } = figure;
  const spread = formatSpread(values);
  const value = values.length === 0 ? "not measured" : `${formatNumber(median(values))} ${unit}`;
  const head = `${name} (${placeOf(figure)}): ${value}${spread === "" ? "" : ` (${spread})`}${note === "" ? "" : ` · ${note}`}`;
  const held = yardsticks.map(
    (one) => `${one.ratio.toFixed(2)} of ${one.name} (${formatNumber(median(one.values))})`,
  );
  const took =
    latency === null
      ? []
      : [
          `p50 ${formatNumber(latency.p50Ms)}, p99 ${formatNumber(latency.p99Ms)}, p99.9 ${formatNumber(latency.p999Ms)}, longest ${formatNumber(latency.maxMs)} ms of ${latency.samples}`,
        ];
  const costs =
    Object.keys(figure.cpuMs).length === 0
      ? []
      : [
          `CPU ms a ${item}: ${formatByProcess(figure.cpuMs, (ms) => ms.toFixed(2))}`,
          `written a ${item}: ${formatByProcess(figure.writtenBytes, formatBytes)}`,
          `peak memory: ${formatByProcess(figure.peakBytes, formatBytes)}`,
        ];
  return [
    head,
    ...[held.join("; "), ...took, ...costs].filter((line) => line !== "").map((line) => `    ${line}`),
  ];
}
