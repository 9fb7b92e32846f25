import type { ChaosRun } from "./run-chaos.ts";

/** Formats the results of the runs as a table with a column for each run. */
export function chaosTable(runs: readonly ChaosRun[]): string {
  const kinds = [
    ...new Set(runs.flatMap(({ faults }) => faults.map(({ kind, target }) => nameOf(kind, target)))),
  ].sort();
  const rows: [string, ...string[]][] = [
    ["", ...runs.map(({ database }) => database)],
    ["seconds", ...runs.map(({ seconds }) => String(seconds))],
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
    ["duplicates", ...runs.map(({ findings }) => String(findings.duplicates))],
    ["early", ...runs.map(({ findings }) => String(findings.early.length))],
    ["wrong", ...runs.map(({ findings }) => String(findings.wrong.length))],
    ["lost", ...runs.map(({ findings }) => String(findings.lost.length))],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(([name, ...cells]) => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(12)).join("")}`)
    .join("\n");
}

/** Names a row, such as "worker killed". The number is left out: both workers share a row. */
function nameOf(kind: string, target: string): string {
  const verb = { kill: "killed", pause: "paused", lock: "locked" }[kind] ?? kind;
  return `${target.replace(/ \d$/, "")} ${verb}`;
}
