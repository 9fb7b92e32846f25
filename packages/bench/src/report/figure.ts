import type { Measured } from "../measure/in-turns.ts";
import { peaksOf } from "../measure/meter.ts";
import { latencyOf, ratioOf } from "../measure/statistics.ts";
import type { Room } from "../room.ts";
import type { Figure, YardstickFigure } from "./results.ts";

/** How a scenario names a figure. The database and the lane come from the room. */
export type FigureName = {
  readonly scenario: string;
  readonly name: string;
  readonly item: string;
  /** Whether the figure depends on the lane. */
  readonly inLanes: boolean;
  readonly note?: string;
};

/** Returns the figure of a rate that was measured in turns with its yardsticks. */
export function rateFigure(room: Room, naming: FigureName, measured: Measured): Figure {
  return {
    ...whereOf(room, naming),
    unit: `${naming.item === "delivery" ? "deliveries" : `${naming.item}s`}/s`,
    better: "more",
    values: measured.perSecond,
    latency: measured.latenciesMs.length === 0 ? null : latencyOf(measured.latenciesMs),
    ...measured.costs,
    peakBytes: peaksOf(room.processes),
    yardsticks: measured.yardsticks.flatMap(({ name, perSecond }) =>
      yardstickOf(name, measured.perSecond, perSecond),
    ),
  };
}

/** Returns any other figure, with one number or one for each run. */
export function plainFigure(
  room: Room,
  naming: FigureName,
  what: Pick<Figure, "unit" | "better" | "values"> & Partial<Figure>,
): Figure {
  return {
    ...whereOf(room, naming),
    latency: null,
    cpuMs: {},
    writtenBytes: {},
    peakBytes: peaksOf(room.processes),
    yardsticks: [],
    ...what,
  };
}

/** Returns the ratio of values to a yardstick, or nothing if either was not measured. */
export function yardstickOf(
  name: string,
  values: readonly number[],
  yardstick: readonly number[],
): YardstickFigure[] {
  const ratio = ratioOf(values, yardstick);
  return Number.isFinite(ratio) ? [{ name, values: yardstick, ratio }] : [];
}

function whereOf(room: Room, { scenario, name, item, inLanes, note = "" }: FigureName) {
  return { scenario, name, item, note, database: room.database, lane: inLanes ? room.lane : null };
}
