import { runCommand } from "./run-command.ts";
import type { Step, StepResult } from "./step.ts";

const WITHIN_MS = 120_000;
/** The workspaces that run in production or in a customer's process. */
const SHIPPED = ["services/api", "services/worker", "packages/client", "packages/signature"];

/** Checks that no shipped dependency has a known vulnerability. */
export const auditStep: Step = {
  name: "audit",
  quick: false,
  async run({ root, signal }) {
    const workspaces = SHIPPED.flatMap((path) => ["--workspace", path]);
    const { output } = await runCommand("npm", ["audit", "--omit=dev", "--json", ...workspaces], {
      root,
      signal,
      withinMs: WITHIN_MS,
    });
    return judgeAudit(output);
  },
};

/** Reads the output of `npm audit --json`, which may have npm's log lines before and after the JSON. */
export function judgeAudit(output: string): StepResult {
  const report = reportIn(output);
  const total = report?.metadata?.vulnerabilities?.total;
  if (total === undefined) {
    // Registry mirrors often serve packages only.
    return { passed: 0, failed: 0, details: "no audit: the registry does not support audits" };
  }
  if (total === 0) return { passed: 1, failed: 0 };
  const names = Object.entries(report?.vulnerabilities ?? {}).map(
    ([name, { severity }]) => `${name} (${severity})`,
  );
  return {
    passed: 0,
    failed: 1,
    details: `known vulnerabilities: ${names.join(", ")}; see npm audit --omit=dev`,
  };
}

type Report = {
  readonly metadata?: { readonly vulnerabilities?: { readonly total?: number } };
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string }>>;
};

function reportIn(output: string): Report | undefined {
  const begin = output.search(/^\{/m);
  const end = output.lastIndexOf("\n}");
  if (begin === -1 || end < begin) return undefined;
  try {
    return JSON.parse(output.slice(begin, end + 2)) as Report;
  } catch {
    return undefined;
  }
}
