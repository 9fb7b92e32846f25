/**
 * Dynamic configuration that every development server of Posthaste is started with, as an operator's cluster
 * should be (docs/operations.md). Values are YAML.
 *
 * With `enableFairness`, a task queue hands out its backlog in turns by the account that each task belongs
 * to. Without it, a task waits for all that came before it. It implies `matching.useNewMatcher`.
 */
export const TEMPORAL_SETTINGS: Readonly<Record<string, string>> = { "matching.enableFairness": "true" };

/** Returns the arguments of `temporal server start-dev` for some dynamic configuration. */
export function settingArgs(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["--dynamic-config-value", `${name}=${value}`]);
}
