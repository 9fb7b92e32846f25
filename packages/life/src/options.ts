import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";
import type { Database } from "./run-life.ts";

export type LifeCommand = {
  readonly databases: readonly Database[];
  readonly months: number;
  readonly events: number;
};

const MONTHS_DEFAULT = 3;
const MONTHS_MAX = 120;
const EVENTS_DEFAULT = 1_000_000;
/** Fewer, and the incidents of each round outweigh the bulk. */
const EVENTS_MIN = 1_000;
const EVENTS_MAX = 100_000_000;

export const LIFE_USAGE = `npm run life -- [options]

Lives an installation's months in fast forward, on the store alone: events and deliveries, failing and
paused subscriptions, recoveries, erasures, retention. Exits with 1 if the database, the memory or what the
hot statements read has grown from the first month of steady state to the last. The default takes hours;
--events 20000 --database sqlite takes minutes.

  --months N      months of steady state, after one that fills the tables
                  (default ${MONTHS_DEFAULT}, at least 2)
  --events N      events in the tables (default ${EVENTS_DEFAULT})
  --database D    sqlite, mysql or both (default both)
  --help          shows this text`;

/** @throws Complaint if the command line is not valid */
export function parseLifeOptions(args: readonly string[]): LifeCommand | "help" {
  const { values } = parseCommandLine("life", {
    args,
    options: {
      months: { type: "string" },
      events: { type: "string" },
      database: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  const { database = "both" } = values;
  if (database !== "both" && database !== "sqlite" && database !== "mysql") {
    throw new Complaint(`--database is "${database}": choose sqlite, mysql or both`);
  }
  return {
    months: wholeNumber("--months", values.months, { min: 2, max: MONTHS_MAX }) ?? MONTHS_DEFAULT,
    events: wholeNumber("--events", values.events, { min: EVENTS_MIN, max: EVENTS_MAX }) ?? EVENTS_DEFAULT,
    databases: database === "both" ? ["sqlite", "mysql"] : [database],
  };
}
