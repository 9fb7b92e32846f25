import { rmSync } from "node:fs";
import { acquireMysql } from "./mysql-server.ts";
import { makeQuickDir, removeLeftQuickDirs } from "./quick-dir.ts";

/**
 * Provides one MySQL server for a whole test run. Tests find it through `POSTHASTE_TEST_MYSQL_URL`, and each
 * creates its own databases. The first test to migrate a database stores a template for the others.
 */
export async function setup(): Promise<() => Promise<void>> {
  removeLeftQuickDirs();
  const server = await acquireMysql((line) => console.error(`mysql: ${line}`));
  const templates = makeQuickDir("templates");
  const leave = setVariables({
    POSTHASTE_TEST_MYSQL_URL: server.url,
    POSTHASTE_TEST_TEMPLATES: templates,
  });
  return async () => {
    leave();
    rmSync(templates, { recursive: true, force: true });
    await server.release();
  };
}

/**
 * Sets variables for this process and its child processes. Returns a function that restores the old values.
 */
function setVariables(values: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, values);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
