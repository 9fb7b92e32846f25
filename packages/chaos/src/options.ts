import { randomInt } from "node:crypto";
import { LANES, type Lane } from "@posthaste/domain";
import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";
import type { Database } from "./plan.ts";

export type ChaosOptions = {
  /** How long faults are injected, on each database. */
  readonly seconds: number;
  readonly seed: number;
  readonly databases: readonly Database[];
  readonly lane: Lane;
};

const SECONDS_DEFAULT = 60;
const SECONDS_MAX = 3_600;
const SEED_MAX = 2 ** 31 - 1;

export const CHAOS_USAGE = `npm run chaos -- [options]

Runs two accounts, one of which gives trouble, while it kills and pauses APIs, workers, Temporal and the
database at random, silences connections, fills disks and more. Then compares what the receivers got with
what was accepted and what is stored. Exits with 1 if anything was lost, early, wrong, left open, or stood
still.

  --seconds N     how long faults are injected on each database
                  (default ${SECONDS_DEFAULT}, at most ${SECONDS_MAX})
  --seed S        repeats the faults and the receivers' behaviour of an earlier run (default random)
  --database D    sqlite, mysql or both (default both)
  --lane L        ${LANES.join(" or ")} (default ${LANES[0]})
  --help          shows this text`;

/** @throws Complaint if the command line is not valid */
export function parseChaosOptions(args: readonly string[]): ChaosOptions | "help" {
  const { values } = parseCommandLine("chaos", {
    args,
    options: {
      seconds: { type: "string" },
      seed: { type: "string" },
      database: { type: "string" },
      lane: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  const { database = "both" } = values;
  const lane = LANES.find((name) => name === (values.lane ?? LANES[0]));
  if (lane === undefined) throw new Complaint(`--lane is "${values.lane}": choose ${LANES.join(" or ")}`);
  if (database !== "both" && database !== "sqlite" && database !== "mysql") {
    throw new Complaint(`--database is "${database}": choose sqlite, mysql or both`);
  }
  return {
    seconds: wholeNumber("--seconds", values.seconds, { min: 1, max: SECONDS_MAX }) ?? SECONDS_DEFAULT,
    seed: wholeNumber("--seed", values.seed, { min: 0, max: SEED_MAX }) ?? randomInt(SEED_MAX),
    lane,
    databases: database === "both" ? ["sqlite", "mysql"] : [database],
  };
}
