/** The percentiles of a set of latencies. */
export type Latency = {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** The number of latencies. */
  readonly samples: number;
};

/** Returns the median, or NaN without values. Of an even number of values it is the lower middle one. */
export function median(values: readonly number[]): number {
  return percentile(sorted(values), 0.5);
}

/** Returns the smallest value that at least this share (0 to 1) of the values does not exceed. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}

/** Returns the percentiles of latencies in any order. */
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

/**
 * Returns the combined rate of parts that process each item one after another, from the rate of each alone.
 */
export function oneAfterAnother(...rates: readonly number[]): number {
  return 1 / rates.reduce((seconds, rate) => seconds + 1 / rate, 0);
}

/** Returns the median of the ratios within each round, since the machine's speed drifts between rounds. */
export function ratioOf(values: readonly number[], yardstick: readonly number[]): number {
  return median(values.map((value, i) => value / (yardstick[i] ?? Number.NaN)));
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}
