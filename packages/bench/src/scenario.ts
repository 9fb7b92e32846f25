import type { Figure } from "./report/results.ts";
import type { Room } from "./room.ts";

/** How much to measure. */
export type Sizes = {
  readonly quick: boolean;
  /** The number of runs, if one takes less than 30 s. */
  readonly rounds: number;
  /** The duration of a run that is bounded by time. */
  readonly seconds: number;
  /** The duration of a yardstick in each turn. */
  readonly yardstickSeconds: number;
  /** The size of a backlog; undefined = the scenario's default. */
  readonly deliveries: number | undefined;
};

export const FULL_SIZES: Sizes = {
  quick: false,
  rounds: 5,
  seconds: 4,
  yardstickSeconds: 1,
  deliveries: undefined,
};
export const QUICK_SIZES: Sizes = {
  quick: true,
  rounds: 1,
  seconds: 2,
  yardstickSeconds: 0.5,
  deliveries: undefined,
};

/** A measurement of one aspect of the product. */
export type Scenario = {
  readonly name: string;
  /** The description in the `--help` text. */
  readonly about: string;
  /** Whether it is measured in each lane, rather than only in the first. */
  readonly inLanes: boolean;
  /** Default: 1. */
  readonly workers?: number;
  /** Yields each figure as soon as it is measured, so that a later failure does not discard it. */
  run(room: Room, sizes: Sizes, note: (line: string) => void): AsyncIterable<Figure>;
};
