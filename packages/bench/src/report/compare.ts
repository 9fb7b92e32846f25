import { median } from "../measure/statistics.ts";
import { formatNumber } from "./format.ts";
import { type BenchResults, type Figure, keyOf, productCpuMsOf } from "./results.ts";

/** The change of one figure between two runs. */
export type Change = {
  readonly key: string;
  /** The compared quantity: a ratio such as `of bare workflow`, or the figure's unit. */
  readonly by: string;
  readonly before: number;
  readonly now: number;
  /** The relative change: 0.1 = a tenth more. */
  readonly share: number;
  readonly direction: "better" | "worse" | "the same";
  /** The product's CPU per item, in ms; NaN if it was not measured. A busy machine hardly changes it. */
  readonly cpuMsBefore: number;
  readonly cpuMsNow: number;
};

/** Two runs of the same program differ by up to this share, so smaller changes count as none. */
const NOISE_SHARE = 0.1;

/**
 * Compares figures with those of an earlier run: by their ratio to the first yardstick if both runs have it,
 * since machines differ and drift, else directly. Figures that only one run has are left out.
 */
export function compareResults(before: BenchResults, now: BenchResults): readonly Change[] {
  const earlier = new Map(before.figures.map((figure) => [keyOf(figure), figure]));
  return now.figures.flatMap((figure) => {
    const old = earlier.get(keyOf(figure));
    if (old === undefined || old.values.length === 0 || figure.values.length === 0) return [];
    return changeOf(old, figure);
  });
}

/** Formats the comparison: a line for each figure, and the number of figures that cannot be compared. */
export function comparisonLines(before: BenchResults, now: BenchResults): readonly string[] {
  const changes = compareResults(before, now);
  const width = Math.max(0, ...changes.map(({ key }) => key.length));
  const lines = changes.map((change) =>
    [
      change.key.padEnd(width),
      `${formatNumber(change.before)} → ${formatNumber(change.now)}`.padStart(18),
      `${change.share < 0 ? "−" : "+"}${Math.abs(change.share * 100).toFixed(0)} %`.padStart(7),
      change.direction.padEnd(8),
      change.by,
      ...(Number.isNaN(change.cpuMsBefore + change.cpuMsNow)
        ? []
        : [`CPU ms ${formatNumber(change.cpuMsBefore)} → ${formatNumber(change.cpuMsNow)}`]),
    ].join("  "),
  );
  const uncompared = now.figures.length - changes.length;
  return [
    `compared with ${before.commit} of ${before.at.slice(0, 10)}${before.quick === now.quick ? "" : ", one of them a quick run"}:`,
    ...lines,
    ...(uncompared === 0 ? [] : [`nothing to compare with: ${uncompared} of ${now.figures.length} figures`]),
  ];
}

function changeOf(old: Figure, figure: Figure): Change {
  const [yardstick] = figure.yardsticks;
  const oldYardstick = old.yardsticks.find(({ name }) => name === yardstick?.name);
  const isByRatio = yardstick !== undefined && oldYardstick !== undefined;
  const before = isByRatio ? oldYardstick.ratio : median(old.values);
  const now = isByRatio ? yardstick.ratio : median(figure.values);
  const share = now / before - 1;
  const isBetter = figure.better === "more" ? share > 0 : share < 0;
  return {
    key: keyOf(figure),
    by: isByRatio ? `of ${yardstick.name}` : figure.unit,
    before,
    now,
    share,
    cpuMsBefore: productCpuMsOf(old),
    cpuMsNow: productCpuMsOf(figure),
    direction: Math.abs(share) < NOISE_SHARE ? "the same" : isBetter ? "better" : "worse",
  };
}
