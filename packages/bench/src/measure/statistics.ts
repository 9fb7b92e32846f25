/** What latencies came to. */
export type Latency = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** The longest. */
  readonly maxMs: number;
  readonly samples: number;
};

/** NaN where there are none. Of an even number, the lower of the two in the middle, which was measured. */
export function median(values: readonly number[]): number {
  return percentile(sorted(values), 0.5);
}

/** The smallest value that at least this share of them does not exceed. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}

export function latencyOf(samplesMs: readonly number[]): Latency {
  const ascending = Float64Array.from(samplesMs).sort();
  return {
    p50Ms: percentile(ascending, 0.5),
    p99Ms: percentile(ascending, 0.99),
    p999Ms: percentile(ascending, 0.999),
    maxMs: percentile(ascending, 1),
    samples: ascending.length,
  };
}

/** What parts that take turns for each item let through, at the rates that each has alone. */
export function oneAfterAnother(...rates: readonly number[]): number {
  return 1 / rates.reduce((seconds, rate) => seconds + 1 / rate, 0);
}

/** The median of the ratios within each round, in which both were measured: a machine's speed drifts between rounds. */
export function ratioOf(values: readonly number[], yardstick: readonly number[]): number {
  return median(values.map((value, i) => value / (yardstick[i] ?? Number.NaN)));
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}
