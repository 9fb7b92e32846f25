import { defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";

// What bundlers read under "module" is not always what Node can run; tests run what production runs.
const nodeConditions = defaultServerConditions.filter((condition) => condition !== "module");

// Packages resolve each other by source, so that tests need no build and coverage points at what was written.
export default defineConfig({
  ssr: { resolve: { conditions: ["source", ...nodeConditions] } },
  resolve: { conditions: ["source"] },
  test: {
    include: ["{packages,services}/*/{src,test}/**/*.test.ts", "tools/{src,test}/**/*.test.ts"],
    globalSetup: "packages/testkit/src/global-setup-mysql.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    restoreMocks: true,
  },
});
