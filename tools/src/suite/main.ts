import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Complaint } from "../terminal/complaint.ts";
import { listenForStop } from "../terminal/stop-signal.ts";
import { runSteps } from "./run-steps.ts";
import type { Step } from "./step.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Runs steps, or with `--only NAME` (which may be repeated) some of them. */
export async function runSuite(steps: readonly Step[], args: readonly string[]): Promise<number> {
  const chosen = choose(steps, args);
  const { signal, unlisten } = listenForStop(() => process.exit(130));
  try {
    return await runSteps(chosen, { root, signal, print: (text) => console.log(text) });
  } finally {
    unlisten();
  }
}

function choose(steps: readonly Step[], args: readonly string[]): readonly Step[] {
  const names = onlyOf(args);
  if (names === undefined) return steps;
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

function onlyOf(args: readonly string[]): readonly string[] | undefined {
  try {
    return parseArgs({ args: [...args], options: { only: { type: "string", multiple: true } } }).values.only;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(". ")[0] ?? "") : "";
    throw new Complaint(`${reason}: npm test -- [--only STEP]`);
  }
}
