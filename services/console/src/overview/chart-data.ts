import { timeToMinute } from "../parts/times.ts";

type Series = {
  readonly name: string;
  /** The name of a CSS variable of the theme. */
  readonly color: string;
  /** Null: no measurement. */
  readonly values: readonly (number | null)[];
};

export type ChartData = {
  /** One time for each point, in epoch milliseconds. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  /** Bars are stacked in the order of the series. */
  readonly kind: "bars" | "lines";
  /** Higher values are drawn here. Default: each as high as it is. */
  readonly ceiling?: number;
  spell(value: number): string;
};

type Column = (number | null)[];

/** Returns the times in seconds, then the values of each series. Bars get stacked sums, the highest first. */
export function columnsOf({ times, series, kind, ceiling = Infinity }: ChartData): [number[], ...Column[]] {
  const seconds = times.map((time) => time / 1_000);
  if (kind === "lines") {
    const drawn = (value: number | null) => (value === null ? null : Math.min(value, ceiling));
    return [seconds, ...series.map(({ values }) => values.map(drawn))];
  }
  const stacked = series.map((_one, i) =>
    times.map((_time, at) => series.slice(0, i + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0)),
  );
  return [seconds, ...stacked.reverse()];
}

/** Returns what the chart says of one of its times: the time, and the value of each series. */
export function readoutOf({ times, series, spell }: ChartData, at: number | null | undefined): string {
  const time = times[at ?? -1];
  if (time === undefined) return "";
  const parts = series.map(({ name, values }) => `${name} ${spelledValue(values[at ?? -1], spell)}`);
  return [timeToMinute(time), ...parts].join("  ·  ");
}

export function spelledValue(value: number | null | undefined, spell: (value: number) => string): string {
  return value === null || value === undefined ? "–" : spell(value);
}

/** Returns the indexes of values without a neighbour. A line has no length there, so a point shows them. */
export function loneValues(values: readonly (number | null | undefined)[]): number[] {
  const has = (i: number) => values[i] !== null && values[i] !== undefined;
  return values.flatMap((_value, i) => (has(i) && !has(i - 1) && !has(i + 1) ? [i] : []));
}

/** Returns the index that a key moves to, from `at` among `count`; undefined: the key moves nothing. */
export function movedBy(key: string, at: number | undefined, count: number): number | undefined {
  const last = count - 1;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(0, (at ?? count) - 1);
    case "ArrowRight":
    case "ArrowUp":
      return Math.min(last, (at ?? last) + 1);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return undefined;
  }
}
