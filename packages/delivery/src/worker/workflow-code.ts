import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleWorkflowCode, type WorkflowBundleOption } from "@temporalio/worker";

/**
 * The workflows as one script for Temporal's sandbox: the file that the build made, or, when running from source,
 * bundled now (some seconds).
 */
export async function workflowCode(): Promise<WorkflowBundleOption> {
  const built = fileURLToPath(new URL("../workflow-bundle.js", import.meta.url));
  if (existsSync(built)) return { codePath: built };
  return await bundleWorkflows(fileURLToPath(new URL("../workflows/index.ts", import.meta.url)), ["source"]);
}

/** @param conditions further export conditions to resolve workspace packages by */
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
