import { textTable } from "@posthaste/testkit";
import { percentile, sharesOf, toMebibytes } from "./findings.ts";
import { PROCESSES } from "./left-over.ts";
import { ATTACK_KINDS } from "./plan.ts";
import type { AttackRun } from "./run-attack.ts";
import type { Phase } from "./well-behaved.ts";

/** Formats a run: what the well-behaved account saw, what was done, and what is left. */
export function attackTable(run: AttackRun): string {
  return [phases(run), attacks(run), leftOver(run)].join("\n\n");
}

const PERCENTILES = [50, 95, 99] as const;

function phases({ quiet, attacked, api }: AttackRun): string {
  const row = (name: string, of: (phase: Phase) => string) => [name, of(quiet), of(attacked)] as const;
  return textTable([
    ["", "quiet", "attacked"],
    row("events", ({ events }) => String(events)),
    row("accepted, %", (phase) => percent(sharesOf(phase).accepted)),
    row("delivered, %", (phase) => percent(sharesOf(phase).delivered)),
    ...PERCENTILES.map((n) => row(`ingest p${n}, ms`, ({ ingestMs }) => percentile(ingestMs, n).toFixed(1))),
    ...PERCENTILES.map((n) =>
      row(`delivery p${n}, ms`, (phase) => percentile(phase.deliveryMs, n).toFixed()),
    ),
    ["API's longest stop, ms", api.quiet.stoppedMs.toFixed(), api.attacked.stoppedMs.toFixed()],
    ["API's processor time, s", api.quiet.cpuSeconds.toFixed(1), api.attacked.cpuSeconds.toFixed(1)],
  ]);
}

function attacks({ tallies }: AttackRun): string {
  return textTable([
    ["attack", "connections", "requests", "accepted", "refused"],
    ...ATTACK_KINDS.flatMap((kind) => {
      const tally = tallies[kind];
      if (tally === undefined) return [];
      const { connections, requests, accepted, refused } = tally;
      // Those that open connections do not read the answers; the others let theirs be opened.
      const cells =
        connections === 0
          ? ["", String(requests), String(accepted), String(refused)]
          : [String(connections), String(requests), "", ""];
      return [[kind, ...cells] as [string, ...string[]]];
    }),
  ]);
}

function leftOver({ before, api, after, complaints }: AttackRun): string {
  const names = Object.keys(after.open).sort();
  return textTable([
    ["open in the API", "peak", "after"],
    ...names.map((name) => [name, String(api.attacked.peak[name] ?? 0), String(after.open[name])] as const),
    ["", "before", "after"],
    ...PROCESSES.map((name): [string, string, string] => [
      `memory of the ${name}, MiB`,
      toMebibytes(before.memoryBytes[name]),
      toMebibytes(after.memoryBytes[name]),
    ]),
    ["open files of the api", String(before.files), String(after.files)],
    ["errors and warnings in the logs", "", String(complaints.length)],
  ]);
}

const percent = (share: number) => (share * 100).toFixed(1);
