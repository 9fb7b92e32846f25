import { rmSync } from "node:fs";
import { acquireMysql } from "./mysql-server.ts";
import { makeQuickDir, removeLeftQuickDirs } from "./quick-dir.ts";

/**
 * One MySQL server for a whole run of tests; they find it by its variable and make databases of their own.
 * The first writes down how a migrated one looks, for the others.
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

/** Sets variables for this process and those that it starts. Returns what puts back what was there. */
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
