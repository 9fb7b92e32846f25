import { CREATION_CAUSES } from "@posthaste/domain";
import { type Check, type Counts, groupBy, isErased, type StoredChange, type StoredCounts } from "./facts.ts";

const CREATED: ReadonlySet<string> = new Set(CREATION_CAUSES);
const NAMES = ["events", "deliveries", "succeeded", "failed", "attempts", "accepted"] as const;
/** The spans that are counted: minutes and quarters of an hour. */
const SPANS_MS = [60_000, 900_000] as const;

/**
 * The statistics are what the logs say: of each account, in each span of time, what the log of changes says,
 * and in all, what the log of attempts says.
 */
export const statisticsFitLogs: Check = (facts) => {
  const changes = facts.changes.filter((row) => !isErased(facts, row.account_id));
  const stored = facts.statistics.filter((row) => !isErased(facts, row.account_id));
  return SPANS_MS.flatMap((spanMs) => {
    const keyOf = (accountId: number, at: number) =>
      `account ${accountId}, ${spanMs / 1_000} s from ${Math.floor(at / spanMs) * spanMs}`;
    const logged = groupBy(changes, (row) => keyOf(row.account_id, row.changed_at));
    const counted = groupBy(
      stored.filter((row) => row.span_ms === spanMs),
      (row) => keyOf(row.account_id, row.from_at),
    );
    const spans = [...new Set([...logged.keys(), ...counted.keys()])];
    return spans.flatMap((span) =>
      differences(String(span), sum(counted.get(span) ?? []), countsOf(logged.get(span) ?? [])),
    );
  }).concat(attemptsFit(facts));
};

const attemptsFit = (facts: Parameters<Check>[0]): string[] =>
  Object.entries(facts.accountIds).flatMap(([name, accountId]) => {
    const attempts = facts.attempts.filter((row) => row.account_id === accountId);
    const counted = sum(
      facts.statistics.filter((row) => row.account_id === accountId && row.span_ms === SPANS_MS[1]),
    );
    const accepted = attempts.filter(({ outcome }) => outcome === "accepted").length;
    const logged = { ...counted, attempts: attempts.length, accepted };
    return differences(`the ${name} account in all`, counted, logged);
  });

function differences(of: string, counted: Counts, logged: Counts): string[] {
  return NAMES.filter((name) => counted[name] !== logged[name]).map(
    (name) =>
      `the statistics of ${of} count ${counted[name]} ${name}, the log ${logged[name]}: see countChanges`,
  );
}

function sum(rows: readonly StoredCounts[]): Counts {
  const total = (name: keyof Counts) => rows.reduce((all, row) => all + Number(row[name]), 0);
  return Object.fromEntries(NAMES.map((name) => [name, total(name)])) as Counts;
}

function countsOf(changes: readonly StoredChange[]): Counts {
  const count = (is: (change: StoredChange) => boolean) => changes.filter(is).length;
  return {
    events: count(({ cause }) => cause === "ingested" || cause === "tested"),
    deliveries: count(({ cause }) => CREATED.has(cause)),
    succeeded: count(({ attempt_ms, state }) => attempt_ms !== null && state === "succeeded"),
    failed: count(({ attempt_ms, state }) => attempt_ms !== null && ["exhausted", "blocked"].includes(state)),
    attempts: count(({ attempt_ms }) => attempt_ms !== null),
    accepted: count(({ attempt_ms, last_outcome }) => attempt_ms !== null && last_outcome === "accepted"),
  };
}
