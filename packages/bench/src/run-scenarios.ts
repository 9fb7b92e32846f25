import type { MeasureOptions } from "./options.ts";
import type { Database, Figure, Lane } from "./report/results.ts";
import { openRoom, type Room } from "./room.ts";
import { FULL_SIZES, QUICK_SIZES, type Scenario, type Sizes } from "./scenario.ts";

export type ScenarioRuns = {
  readonly figures: readonly Figure[];
  /** The server's or library's version and settings, by database. */
  readonly databases: Readonly<Partial<Record<Database, string>>>;
  /** A line for each scenario that could not be measured or that found a problem. */
  readonly failures: readonly string[];
};

/** The sampling interval of a profile. A much shorter one would distort what is measured. */
const PROFILE_INTERVAL_US = 1_000;

/** Runs scenarios one after another, each in separate rooms. If one fails, the others keep their figures. */
export async function runScenarios(
  options: MeasureOptions,
  hooks: {
    readonly signal: AbortSignal;
    readonly onNote: (line: string) => void;
    readonly onFigure: (figure: Figure) => void;
  },
): Promise<ScenarioRuns> {
  const { signal, onNote, onFigure } = hooks;
  const sizes: Sizes = { ...(options.quick ? QUICK_SIZES : FULL_SIZES), deliveries: options.deliveries };
  const figures: Figure[] = [];
  const databases: Partial<Record<Database, string>> = {};
  const failures: string[] = [];
  for (const { scenario, database, lane } of placesOf(options)) {
    if (signal.aborted) break;
    const where = `${scenario.name} on ${database}${scenario.inLanes ? `, ${lane} lane` : ""}`;
    onNote(where);
    let room: Room | undefined;
    // Closing the room makes its scenario fail.
    const stop = () => void room?.close().catch(() => {});
    const fail = (error: unknown) => {
      const why = signal.aborted ? "stopped" : error instanceof Error ? error.message : "failed";
      failures.push(`${where}: ${why}`);
    };
    try {
      room = await openRoom({
        database,
        lane,
        workers: scenario.workers ?? 1,
        yardstickSeconds: sizes.yardstickSeconds,
        nodeArgs: profiling(options.profile),
      });
      signal.addEventListener("abort", stop, { once: true });
      signal.throwIfAborted();
      databases[database] = room.databaseSettings;
      for await (const figure of scenario.run(room, sizes, onNote)) {
        figures.push(figure);
        onFigure(figure);
      }
      if (options.profile !== undefined) await endGently(room);
    } catch (error) {
      fail(error);
    }
    signal.removeEventListener("abort", stop);
    await room?.close().catch(fail);
  }
  return { figures, databases, failures };
}

type Place = { readonly scenario: Scenario; readonly database: Database; readonly lane: Lane };

/** Lists what to measure. A scenario that does not depend on the lane runs once per database. */
function placesOf({ scenarios, databases, lanes }: MeasureOptions): Place[] {
  return scenarios.flatMap((scenario) =>
    databases.flatMap((database) =>
      (scenario.inLanes ? lanes : lanes.slice(0, 1)).map((lane) => ({ scenario, database, lane })),
    ),
  );
}

function profiling(folder: string | undefined): string[] {
  if (folder === undefined) return [];
  return ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-interval=${PROFILE_INTERVAL_US}`];
}

/** Stops API and worker with SIGTERM, since a process writes its profile only at a regular exit. */
async function endGently({ stack }: Room): Promise<void> {
  await Promise.all([...stack.apis, ...stack.workers].map((child) => child.stop()));
}
