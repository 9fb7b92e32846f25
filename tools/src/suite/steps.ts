import { temporalBinary, timeSkippingBinary } from "@posthaste/temporal-servers";
import { chromiumPath, promtoolPath } from "@posthaste/testkit";
import { auditStep } from "./audit.ts";
import { BUILD } from "./build.ts";
import { generatedCodeStep } from "./generated-code.ts";
import { runCommand } from "./run-command.ts";
import type { Step } from "./step.ts";
import { vitestStep } from "./vitest.ts";

const COMMAND_WITHIN_MS = 600_000;

export const BUILD_STEP = commandStep("build", { quick: false }, "turbo", ...BUILD);

/** Every step of `npm test`. Those that find mistakes fastest come first. */
export const STEPS: readonly Step[] = [
  BUILD_STEP,
  commandStep("lint", { quick: true }, "biome", "ci", "--colors=off", "."),
  commandStep("types", { quick: true }, "tsc", "-p", "tsconfig.json"),
  commandStep("types-console", { quick: true }, "tsc", "-p", "services/console/tsconfig.json"),
  commandStep("buf-lint", { quick: true }, "buf", "lint"),
  commandStep("buf-format", { quick: true }, "buf", "format", "--diff", "--exit-code"),
  commandStep("buf-breaking", { quick: true }, "buf", "breaking", "proto", "--against", "proto/image.binpb"),
  generatedCodeStep,
  auditStep,
  {
    name: "temporal",
    quick: false,
    // Downloads the servers before the tests, so that a failure is one clear line and not a failed test.
    run: async () => {
      await temporalBinary({ progress: console.log });
      await timeSkippingBinary({ progress: console.log });
      return { passed: 1, failed: 0 };
    },
  },
  {
    name: "browser",
    quick: false,
    run: async () => {
      await chromiumPath(console.log);
      return { passed: 1, failed: 0 };
    },
  },
  {
    name: "promtool",
    quick: false,
    run: async () => {
      await promtoolPath(console.log);
      return { passed: 1, failed: 0 };
    },
  },
  vitestStep,
];

/** Creates a step that runs one command and counts as one test, which passes if the exit code is 0. */
function commandStep(
  name: string,
  { quick }: { quick: boolean },
  command: string,
  ...args: readonly string[]
): Step {
  return {
    name,
    quick,
    run: async ({ root, signal }) => {
      const { code, output } = await runCommand(command, args, { root, signal, withinMs: COMMAND_WITHIN_MS });
      if (code === 0) return { passed: 1, failed: 0 };
      return { passed: 0, failed: 1, details: `${command} ${args.join(" ")}\n${output.trimEnd()}` };
    },
  };
}
