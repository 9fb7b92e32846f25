import { textTable } from "@posthaste/testkit";
import { KINDS } from "./checks/findings.ts";
import type { FaultKind } from "./plan.ts";
import type { ChaosRun } from "./run-chaos.ts";

/** Formats the results of the runs as a table with a column for each run. */
export function chaosTable(runs: readonly ChaosRun[]): string {
  const kinds = [
    ...new Set(runs.flatMap(({ faults }) => faults.map(({ kind, target }) => nameOf(kind, target)))),
  ].sort();
  const acts = [...new Set(runs.flatMap((run) => run.acts.map(({ kind }) => kind)))].sort();
  const rows: [string, ...string[]][] = [
    ["", ...runs.map(({ database }) => database)],
    ["seconds", ...runs.map(({ seconds }) => String(seconds))],
    ["lane", ...runs.map(({ lane }) => lane)],
    ["seed", ...runs.map(({ seed }) => String(seed))],
    ["events accepted", ...runs.map(({ events }) => String(events))],
    ["deliveries", ...runs.map(({ deliveries }) => String(deliveries))],
    ["attempts in the log", ...runs.map(({ attempts }) => String(attempts))],
    ["requests received", ...runs.map(({ requests }) => String(requests))],
    ...kinds.map((kind): [string, ...string[]] => [
      kind,
      ...runs.map(({ faults }) =>
        String(faults.filter((fault) => nameOf(fault.kind, fault.target) === kind).length),
      ),
    ]),
    ...acts.map((act): [string, ...string[]] => [
      // The kind's own name is taken by the lane of the run, and seeds the plan.
      act === "lane" ? "lane changed" : act,
      ...runs.map((run) => String(run.acts.filter(({ kind }) => kind === act).length)),
    ]),
    ["duplicates", ...runs.map(({ findings }) => String(findings.duplicates))],
    ["longest wait of the good, s", ...runs.map(({ findings }) => seconds(findings.waits.longestMs))],
    ["… beside faults, s", ...runs.map(({ findings }) => seconds(findings.waits.besideFaultsMs))],
    ["… overtaken by", ...runs.map(({ findings }) => String(findings.waits.overtakenBy))],
    ...KINDS.map((kind): [string, ...string[]] => [
      kind,
      ...runs.map(({ findings }) => String(findings.broken[kind].length)),
    ]),
  ];
  return textTable(rows);
}

const VERBS: Readonly<Record<FaultKind, string>> = {
  kill: "killed",
  pause: "paused",
  away: "away",
  lock: "locked",
  silence: "silent",
  fill: "full",
  stall: "stalled",
  refuse: "refused",
};

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

/** Names a row, such as "worker killed". The number is left out: both workers share a row. */
function nameOf(kind: FaultKind, target: string): string {
  const verb = VERBS[kind];
  return `${target.replace(/ \d$/, "")} ${verb}`;
}
