import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// What bundlers read under "module" is not always what Node can run; tests run what production runs.
const nodeConditions = defaultServerConditions.filter((condition) => condition !== "module");

/**
 * Those with processes of their own take longest: begun first, they leave the short ones to fill in at the
 * end.
 */
class ProcessesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => (moduleId.includes("/tools/test/") ? 0 : 1);
    return files.sort((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

// Packages resolve each other by source, so that tests need no build and coverage points at what was written.
export default defineConfig({
  ssr: { resolve: { conditions: ["source", ...nodeConditions] } },
  resolve: { conditions: ["source"] },
  test: {
    include: ["{packages,services}/*/{src,test}/**/*.test.ts", "tools/{src,test}/**/*.test.ts"],
    globalSetup: "packages/testkit/src/global-setup-mysql.ts",
    pool: "forks",
    // Loading the dependencies anew for each file is a third of what the short files compute.
    isolate: false,
    setupFiles: ["packages/testkit/src/fresh-modules.ts", "packages/testkit/src/bounded-statements.ts"],
    // One more than two cores can run: many tests wait for processes, leases and timeouts rather than
    // compute.
    maxWorkers: 3,
    sequence: { sequencer: ProcessesFirst },
    // They end what hangs. Longer than what a test waits for in itself, which says better what did not come,
    // and than what computes takes on a machine that is busy with something else.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // A second by default, which a busy machine may take for anything.
    expect: { poll: { timeout: 30_000 } },
    restoreMocks: true,
  },
});
