import { median } from "../measure/statistics.ts";
import { formatNumber } from "./format.ts";
import { type BenchResults, type Figure, keyOf, productCpuMsOf } from "./results.ts";

/** How one figure changed. */
export type Change = {
  readonly key: string;
  readonly by: string;
  readonly before: number;
  readonly now: number;
  /** 0.1: a tenth more. */
  readonly share: number;
  readonly verdict: "better" | "worse" | "the same";
  /** Of the product, for one item; NaN where it was not seen. A busy machine changes it least. */
  readonly cpuMsBefore: number;
  readonly cpuMsNow: number;
};

/** Smaller changes are what two runs of one program differ by. */
const NOISE_SHARE = 0.1;

/**
 * Holds figures against those of an earlier run: by their ratio to the yardstick where both have it, since machines
 * differ and drift; by themselves otherwise.
 */
export function compareResults(before: BenchResults, now: BenchResults): readonly Change[] {
  const earlier = new Map(before.figures.map((figure) => [keyOf(figure), figure]));
  return now.figures.flatMap((figure) => {
    const old = earlier.get(keyOf(figure));
    if (old === undefined || old.values.length === 0 || figure.values.length === 0) return [];
    return changeOf(old, figure);
  });
}

/** One line for each figure, and what cannot be compared. */
export function comparisonLines(before: BenchResults, now: BenchResults): readonly string[] {
  const changes = compareResults(before, now);
  const width = Math.max(0, ...changes.map(({ key }) => key.length));
  const lines = changes.map((change) =>
    [
      change.key.padEnd(width),
      `${formatNumber(change.before)} → ${formatNumber(change.now)}`.padStart(18),
      `${change.share < 0 ? "−" : "+"}${Math.abs(change.share * 100).toFixed(0)} %`.padStart(7),
      change.verdict.padEnd(8),
      change.by,
      ...(Number.isNaN(change.cpuMsBefore + change.cpuMsNow)
        ? []
        : [`CPU ms ${formatNumber(change.cpuMsBefore)} → ${formatNumber(change.cpuMsNow)}`]),
    ].join("  "),
  );
  const left = now.figures.length - changes.length;
  return [
    `against ${before.commit} of ${before.at.slice(0, 10)}${before.quick === now.quick ? "" : ", one of them a quick run"}:`,
    ...lines,
    ...(left === 0 ? [] : [`nothing to hold against: ${left} of ${now.figures.length} figures`]),
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
    verdict: Math.abs(share) < NOISE_SHARE ? "the same" : isBetter ? "better" : "worse",
  };
}
