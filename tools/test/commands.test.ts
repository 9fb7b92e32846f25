import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { serviceArgs } from "@posthaste/stack";
import { expect, test } from "vitest";
import { withDatabase } from "../../services/operator/src/database-url.ts";
import { NO_DATABASE } from "../start/operator.mjs";
import { programOf } from "../start/programs.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${root}tools/run.mjs`, ...args], {
    cwd: root,
    encoding: "utf8",
    timeout: 100_000,
  });
  return { status, stdout, stderr };
}

test.each(["up", "test", "bench", "migrate", "token", "installation", "reseal"])(
  "%s --help prints the usage and exits with 0",
  (command) => {
    const { status, stdout } = run(command, "--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^npm (run \w+|test)/);
  },
);

test("the front door and the operator's commands report a missing DATABASE_URL in the same words", async () => {
  await expect(withDatabase({}, async () => undefined)).rejects.toThrow(NO_DATABASE);
  expect(NO_DATABASE).toContain("DATABASE_URL is not set");
});

test.each(["api", "worker"] as const)(
  "the front door and a stack start the %s with the same arguments",
  (service) => {
    expect(serviceArgs(service)).toEqual(programOf(root, `start:${service}`)?.args);
  },
);

test.each(["format", "generate", "build"])(
  "%s explains itself, or refuses an argument, and does nothing",
  (name) => {
    expect(run(name, "--help").stdout).toMatch(new RegExp(`^npm run ${name}\\n\\n[A-Z].*\\.\\n$`));
    const { status, stderr } = run(name, "now");
    expect([status, stderr]).toEqual([1, `posthaste: npm run ${name} takes no arguments, but got "now"\n`]);
  },
);

test("histories without a label prints the usage and exits with 1", () => {
  const { status, stderr } = run("histories");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^posthaste: npm run histories -- LABEL/);
});

test("npm test with file names runs those files and counts their tests", () => {
  const { status, stdout } = run("test", "packages/domain/src/schedule.test.ts");
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^[1-9]\d* passed, 0 failed$/);
  expect(status).toBe(0);
});

test("npm test refuses an unknown step and lists the known ones", () => {
  const { status, stderr } = run("test", "--only", "nothing");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^posthaste: there is no step "nothing": choose from build, lint, /);
});
