import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Complaint } from "@posthaste/runtime/terminal";
import { listenForStop } from "../terminal/stop-signal.ts";
import { runSteps } from "./run-steps.ts";
import type { Step } from "./step.ts";
import { testsStep } from "./vitest.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Runs all the steps, the steps chosen with `--only NAME` (repeatable), or the named test files.
 *
 * @returns the exit code: 0 only if something passed and nothing failed
 * @throws Complaint for an unknown option or step
 */
export async function runSuite(steps: readonly Step[], args: readonly string[]): Promise<number> {
  const chosen = choose(steps, args);
  if (chosen === "help") {
    console.log(usageOf(steps));
    return 0;
  }
  return await runSteps(chosen, { root, signal: listenForStop(), print: (text) => console.log(text) });
}

function choose(steps: readonly Step[], args: readonly string[]): readonly Step[] | "help" {
  const { names, files, help } = parsed(steps, args);
  if (help) return "help";
  if (files.length > 0) {
    if (names.length > 0)
      throw new Complaint("--only cannot be combined with test files: give one of the two");
    return [testsStep(files)];
  }
  if (names.length === 0) return steps;
  return names.map((name) => {
    const step = steps.find((candidate) => candidate.name === name);
    if (step === undefined) {
      throw new Complaint(
        `there is no step "${name}": choose from ${steps.map((one) => one.name).join(", ")}`,
      );
    }
    return step;
  });
}

function parsed(steps: readonly Step[], args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { only: { type: "string", multiple: true }, help: { type: "boolean" } },
    });
    return { names: values.only ?? [], files: positionals, help: values.help === true };
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(". ")[0] ?? "") : "";
    throw new Complaint(`${reason}\n\n${usageOf(steps)}`);
  }
}

function usageOf(steps: readonly Step[]): string {
  return `npm test -- [--only STEP …] [FILE …]

Runs every check and ends with "N passed, N failed".

  --only STEP     runs only this step; repeatable: ${steps.map(({ name }) => name).join(", ")}
  FILE            runs only the test files whose path contains FILE; the end-to-end tests need a build
  --help          shows this text`;
}
