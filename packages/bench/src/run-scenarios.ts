import type { MeasureOptions } from "./options.ts";
import type { Database, Figure, Lane } from "./report/results.ts";
import { openRoom, type Room } from "./room.ts";
import { FULL_SIZES, QUICK_SIZES, type Scenario, type Sizes } from "./scenario.ts";

export type ScenarioRuns = {
  readonly figures: readonly Figure[];
  /** Which server and settings, by database. */
  readonly databases: Readonly<Partial<Record<Database, string>>>;
  /** One line for each scenario that could not be measured, or found something wrong. */
  readonly failures: readonly string[];
};

/** Half a microsecond's samples would double what is measured. */
const PROFILE_INTERVAL_US = 1_000;

/** Runs scenarios one after another, each in rooms of its own. One that fails does not cost the others their figures. */
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
    // What is measured in the room fails then; whoever closes it at the end hears of what else failed.
    const stop = () => void room?.close().catch(() => {});
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
      failures.push(
        `${where}: ${signal.aborted ? "stopped" : error instanceof Error ? error.message : "failed"}`,
      );
    } finally {
      signal.removeEventListener("abort", stop);
      await room?.close();
    }
  }
  return { figures, databases, failures };
}

type Place = { readonly scenario: Scenario; readonly database: Database; readonly lane: Lane };

/** A scenario that no lane changes is measured once for each database. */
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

/** A profile is written when its process ends by itself. */
async function endGently({ stack }: Room): Promise<void> {
  await Promise.all([...stack.apis, ...stack.workers].map((child) => child.stop()));
}
