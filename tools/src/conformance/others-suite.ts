import type { Step, StepResult } from "../suite/step.ts";

/** A suite cannot run here. The message says what it lacks. */
export class CannotRun extends Error {
  override readonly name = "CannotRun";
}

/** What a suite's run gets. */
export type SuiteContext = { readonly root: string; readonly signal: AbortSignal };

/**
 * Creates a step that runs a suite that others wrote, in a language that nothing else here needs. Where its
 * toolchain is missing, the step fails and says so in one line.
 *
 * @param run may throw {@link CannotRun}
 */
export function othersSuite(name: string, run: (context: SuiteContext) => Promise<StepResult>): Step {
  return {
    name,
    quick: false,
    run: async (context) => {
      try {
        return await run(context);
      } catch (error) {
        if (!(error instanceof CannotRun)) throw error;
        return { passed: 0, failed: 1, failures: [`${name} cannot run: ${error.message}`] };
      }
    },
  };
}
