import { copyFileSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Stack } from "@posthaste/stack";
import type { Facts } from "./checks/facts.ts";
import type { Ledger } from "./world.ts";

/** Deliveries whose whole story is written down. */
const STORIES_MAX = 50;

/**
 * Keeps what shows the cause of the findings: the log of every process, and for each delivery that a finding
 * names its row, changes, attempts and requests.
 *
 * @param facts undefined: the run broke off before they were gathered, and there are no stories
 * @returns the folder
 */
export function keepLogs(
  stack: Stack,
  { faults, acts }: Pick<Ledger, "faults" | "acts">,
  lines: readonly string[],
  facts?: Facts,
): string {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-chaos-findings-"));
  for (const { logPath } of [stack.temporal, ...stack.apis, ...stack.workers]) {
    if (existsSync(logPath)) copyFileSync(logPath, join(dir, basename(logPath)));
  }
  const ids = [...new Set(lines.flatMap((line) => line.match(/dlv_\w+/g) ?? []))].slice(0, STORIES_MAX);
  writeFileSync(join(dir, "findings.txt"), `${lines.join("\n")}\n`);
  const deliveries = facts === undefined ? [] : ids.map((id) => storyOf(facts, id));
  const stories = { faults, acts, deliveries };
  writeFileSync(join(dir, "deliveries.json"), JSON.stringify(stories, null, 1));
  return dir;
}

function storyOf(facts: Facts, id: string) {
  return {
    row: facts.deliveries.find((row) => row.id === id),
    changes: facts.changes.filter((row) => row.delivery_id === id),
    attempts: facts.attempts.filter((row) => row.delivery_id === id),
    requests: facts.seen
      .filter(({ deliveryId }) => deliveryId === id)
      .map(({ attempt, answered, request }) => ({ attempt, answered, receivedAt: request.receivedAt })),
  };
}
