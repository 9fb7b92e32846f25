import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "@posthaste/stack";
import { runCommand } from "../suite/run-command.ts";
import type { StepResult } from "../suite/step.ts";
import { REMAINING } from "./h2spec-remaining.ts";
import { othersSuite, type SuiteContext } from "./others-suite.ts";
import { goProgram } from "./toolchains.ts";

const RUN_WITHIN_MS = 300_000;
/** How long a case waits for an answer. Its default of two seconds is too short for a busy machine. */
const CASE_WITHIN_S = 5;

/** HTTP/2's suite, with its strict cases, against a running API. */
export const h2specStep = othersSuite("h2spec", async (context) => {
  const program = await goProgram("github.com/summerwind/h2spec/cmd/h2spec", context);
  const stack = await startStack({ workers: 0, env: { POSTHASTE_INBOX: "on" } });
  try {
    // It answers a POST after its body: an answer to the headers alone would hide what follows.
    const { inbox } = await stack.client.inboxes.createInbox({});
    if (inbox === undefined) throw new Error("the API made no inbox");
    return judge(await casesOf(program, new URL(inbox.path, stack.apiUrl), context));
  } finally {
    await stack.dispose();
  }
});

/** A case of the suite, by its section and what it demands. */
export type Case = { readonly name: string; readonly isPassed: boolean };

/** @param url of an inbox */
async function casesOf(program: string, url: URL, context: SuiteContext): Promise<readonly Case[]> {
  const dir = await mkdtemp(join(tmpdir(), "posthaste-h2spec-"));
  const report = join(dir, "report.xml");
  try {
    const target = ["--host", url.hostname, "--port", url.port, "--path", url.pathname];
    const options = ["--strict", "--timeout", String(CASE_WITHIN_S), "--junit-report", report];
    await runCommand(program, [...target, ...options], { ...context, withinMs: RUN_WITHIN_MS });
    return casesIn(await readFile(report, "utf8"));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Reads the suite's report. A case has an empty element, or one that says what failed. */
export function casesIn(report: string): readonly Case[] {
  const cases = report.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>\s*(<\/testcase>|<\w+)/g,
  );
  return [...cases].map(([, section = "", demand = "", rest = ""]) => ({
    name: `${section}: ${unescaped(demand)}`,
    isPassed: rest === "</testcase>",
  }));
}

/**
 * Compares the cases with those that are known to fail. A known one that fails counts as neither; one that
 * passes has to leave the list.
 */
export function judge(
  cases: readonly Case[],
  remaining: Readonly<Record<string, string>> = REMAINING,
): StepResult {
  const failures = cases.flatMap(({ name, isPassed }) => {
    if (isPassed) return name in remaining ? [`passes, but is listed as failing: ${name}`] : [];
    return name in remaining ? [] : [`failed: ${name}`];
  });
  const unknown = Object.keys(remaining).filter((name) => !cases.some((one) => one.name === name));
  failures.push(...unknown.map((name) => `is listed, but is no case: ${name}`));
  if (cases.length === 0) failures.push("the suite's report has no case");
  const passed = cases.filter((one) => one.isPassed).length;
  if (failures.length === 0) return { passed, failed: 0 };
  return { passed, failed: failures.length, details: failures.join("\n"), failures };
}

const ENTITIES: Readonly<Record<string, string>> = { "&#34;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">" };

function unescaped(text: string): string {
  return text.replaceAll(/&\S+?;/g, (entity) => ENTITIES[entity] ?? entity).replaceAll("&amp;", "&");
}
