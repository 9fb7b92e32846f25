import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, type WorkflowBundleOption } from "@temporalio/worker";

/**
 * Returns the workflows as one script for Temporal's sandbox: the build's bundle if there is one, or else,
 * when run from source, a new bundle (which takes some seconds).
 */
export async function workflowCode(): Promise<WorkflowBundleOption> {
  const built = fileURLToPath(new URL("../workflow-bundle.js", import.meta.url));
  if (existsSync(built)) return { codePath: built };
  return await bundleWorkflows(fileURLToPath(new URL("../workflows/index.ts", import.meta.url)), ["source"]);
}

/**
 * Bundles the workflows.
 *
 * @param conditions additional export conditions for resolving workspace packages
 */
export async function bundleWorkflows(
  workflowsPath: string,
  conditions: readonly string[] = [],
): Promise<{ code: string }> {
  return await bundleWorkflowCode({
    workflowsPath,
    logger: { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} },
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, conditionNames: [...conditions, "import", "require", "default"] },
    }),
  });
}
