import type { ChaosRun } from "./run-chaos.ts";

/** One table of what a run came to, one column for each database. */
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
    ["duplicates", ...runs.map(({ verdict }) => String(verdict.duplicates))],
    ["early", ...runs.map(({ verdict }) => String(verdict.early.length))],
    ["wrong", ...runs.map(({ verdict }) => String(verdict.wrong.length))],
    ["lost", ...runs.map(({ verdict }) => String(verdict.lost.length))],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows
    .map(([name, ...cells]) => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(12)).join("")}`)
    .join("\n");
}

/** Without the number: two of a kind are one row. */
function nameOf(kind: string, target: string): string {
  const verb = { kill: "killed", pause: "paused", lock: "locked" }[kind] ?? kind;
  return `${target.replace(/ \d$/, "")} ${verb}`;
}
