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

test.each(["up", "test", "bench", "migrate", "token", "reseal"])(
  "%s tells how it is used, and ends",
  (command) => {
    const { status, stdout } = run(command, "--help");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^npm (run \w+|test)/);
  },
);

test("a missing DATABASE_URL is said alike by the front door and by the operator's commands", async () => {
  await expect(withDatabase({}, async () => undefined)).rejects.toThrow(NO_DATABASE);
  expect(NO_DATABASE).toContain("DATABASE_URL is not set");
});

test.each(["api", "worker"] as const)(
  "the %s is started alike by the front door and by a stack",
  (service) => {
    expect(serviceArgs(service)).toEqual(programOf(root, `start:${service}`)?.args);
  },
);

test("histories without a label tells how it is used, and ends", () => {
  const { status, stderr } = run("histories");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^posthaste: npm run histories -- LABEL/);
});

test("test runs the files that are named, and counts them", () => {
  const { status, stdout } = run("test", "packages/domain/src/schedule.test.ts");
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^[1-9]\d* passed, 0 failed$/);
  expect(status).toBe(0);
});

test("test refuses what it does not know, and shows what there is", () => {
  const { status, stderr } = run("test", "--only", "nothing");
  expect(status).toBe(1);
  expect(stderr).toMatch(/^posthaste: there is no step "nothing": choose from build, lint, /);
});
