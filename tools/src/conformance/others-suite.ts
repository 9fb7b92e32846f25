import type { Step, StepResult } from "../suite/step.ts";

/** A suite cannot run here. The message says what it lacks. */
export class LeftOut extends Error {
  override readonly name = "LeftOut";
}

/** What a suite's run gets. */
export type SuiteContext = { readonly root: string; readonly signal: AbortSignal };

/**
 * Creates a step that runs a suite that others wrote, in a language that nothing else here needs. Where its
 * toolchain is missing, the step says so in one line, and counts as neither passed nor failed.
 *
 * @param run may throw {@link LeftOut}
 */
export function othersSuite(name: string, run: (context: SuiteContext) => Promise<StepResult>): Step {
  return {
    name,
    quick: false,
    run: async (context) => {
      try {
        return await run(context);
      } catch (error) {
        if (!(error instanceof LeftOut)) throw error;
        return { passed: 0, failed: 0, details: `left out: ${error.message}` };
      }
    },
  };
}
