import type { Figure } from "./report/results.ts";
import type { Room } from "./room.ts";

/** How much is measured. */
export type Sizes = {
  readonly quick: boolean;
  /** Runs where one takes less than 30 s. */
  readonly rounds: number;
  /** Of one run, where a run is bounded by time. */
  readonly seconds: number;
  /** Of one turn of a yardstick. */
  readonly yardstickSeconds: number;
  /** Of scenarios that have a backlog; undefined: as many as the scenario thinks right. */
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

/** Something to measure. */
export type Scenario = {
  readonly name: string;
  /** For the usage text. */
  readonly about: string;
  /** Whether it is measured once in each lane; else in the default one. */
  readonly inLanes: boolean;
  readonly workers?: number;
  /** Yields each figure as soon as it is there, so that a later failure does not cost it. */
  run(room: Room, sizes: Sizes, note: (line: string) => void): AsyncIterable<Figure>;
};
