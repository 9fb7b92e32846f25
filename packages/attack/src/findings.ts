import type { Tallies } from "./attackers-main.ts";
import { type Holding, PROCESSES } from "./left-over.ts";
import type { AttackKind } from "./plan.ts";
import type { Phase } from "./well-behaved.ts";

const MIB = 1_048_576;
/**
 * What caches may have grown by: of catalogs, tokens, hosts and connections. The worker goes on with the
 * hostile account's retries, whose workflows it holds.
 */
const MEMORY_SLACK_BYTES: Holding["memoryBytes"] = { api: 16 * MIB, worker: 48 * MIB };
/** Connections to the database that have been opened meanwhile. */
const FILES_SLACK = 16;
/** Shorter runs have too few calls for a p99 and for chances, and a test shares its machine. */
const LONG_SECONDS = 60;
/** Attacks whose answers are read: they prove nothing if all of them were turned away. */
const HEARD: readonly AttackKind[] = ["bombs", "churn"];
/** A slower call is one that somebody notices, however fast the quiet ones are. */
const NOTICEABLE_MS = 500;
const SLOWER_TIMES_MAX = 10;

/** What a run has seen. */
export type Facts = {
  /** How long the attacks lasted. */
  readonly seconds: number;
  readonly quiet: Phase;
  readonly attacked: Phase;
  /** What the attacks did. */
  readonly tallies: Tallies;
  /** What the stack held before the attacks, and when the last client had left after them. */
  readonly before: Holding;
  readonly after: Holding;
  /** Errors in the logs, and what Node warned of. */
  readonly complaints: readonly string[];
  /** Processes that ended by themselves. */
  readonly endings: readonly string[];
};

/** Says what the well-behaved account noticed, and what is left; empty if nothing. */
export function findingsFrom(facts: Facts): readonly string[] {
  const { quiet, attacked, complaints, endings } = facts;
  return [
    ...endings,
    ...noticed("quiet", quiet),
    ...noticed("attacked", attacked),
    ...slower(facts),
    ...unheard(facts),
    ...left(facts),
    ...counted(complaints).map(([text, times]) => `${times} times in the logs: ${text}`),
  ];
}

function noticed(phase: string, { refused, undelivered }: Phase): string[] {
  const failed = counted(refused).map(
    ([reason, times]) => `${times} calls of the well-behaved account failed (${phase}): ${reason}`,
  );
  const lost = undelivered === 0 ? [] : [`${undelivered} accepted events were not delivered (${phase})`];
  return [...failed, ...lost];
}

function slower({ seconds, quiet, attacked }: Facts): string[] {
  if (seconds < LONG_SECONDS) return [];
  return (["ingest", "delivery"] as const).flatMap((what) => {
    const [before, now] = [quiet, attacked].map((phase) => percentile(phase[`${what}Ms`], 99));
    const most = Math.max(NOTICEABLE_MS, SLOWER_TIMES_MAX * (before as number));
    if ((now as number) <= most) return [];
    return [`the p99 of ${what} is ${now?.toFixed()} ms, ${before?.toFixed()} ms in quiet`];
  });
}

function unheard({ seconds, tallies }: Facts): string[] {
  if (seconds < LONG_SECONDS) return [];
  return HEARD.filter((kind) => tallies[kind]?.accepted === 0).map(
    (kind) => `the API accepted none of ${tallies[kind]?.requests} requests: ${kind}`,
  );
}

function left({ before, after }: Facts): string[] {
  const open = Object.entries(after.open).filter(([, count]) => count !== 0);
  const grown = PROCESSES.map((name) => [name, after.memoryBytes[name] - before.memoryBytes[name]] as const);
  return [
    ...open.map(([name, count]) => `${count} left open: ${name}`),
    ...grown
      .filter(([name, bytes]) => bytes > MEMORY_SLACK_BYTES[name])
      .map(([name, bytes]) => `the memory of the ${name} has grown by ${toMebibytes(bytes)} MiB`),
    ...(after.files > before.files + FILES_SLACK
      ? [`${after.files} files are open, ${before.files} before`]
      : []),
  ];
}

/** Returns each text once, with how often it is there. */
function counted(texts: readonly string[]): readonly (readonly [string, number])[] {
  return [...new Set(texts)].map((text) => [text, texts.filter((one) => one === text).length]);
}

export function toMebibytes(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}

/** Returns the value that `percent` of the values do not exceed; 0 without values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}

/** Returns the part of a phase's events that was accepted, and the part of these that was delivered. */
export function sharesOf({ events, refused, undelivered }: Phase): { accepted: number; delivered: number } {
  const accepted = events - refused.length;
  return { accepted: accepted / events, delivered: (accepted - undelivered) / accepted };
}
