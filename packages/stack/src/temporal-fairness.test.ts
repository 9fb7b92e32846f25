import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { temporalBinary } from "@posthaste/temporal-servers";
import { freePort } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createChild } from "./child.ts";
import { ROOT, temporalProgram } from "./programs.ts";

/* The check in docs/operations.md that tells whether Temporal's fairness is on, against both servers. */

const manual = readFileSync(join(ROOT, "docs", "operations.md"), "utf8");
const startArgs = /^temporal (workflow start .* nobody-polls)$/m.exec(manual)?.[1]?.split(" ") ?? [];
const endArgs =
  /`temporal (workflow terminate --workflow-id is-it-fair .*)`/.exec(manual)?.[1]?.split(" ") ?? [];
const question = /^SELECT .* FROM tasks_v2\) AS with_fairness$/m.exec(manual)?.[0] ?? "";
const PATIENCE = { timeout: 30_000, interval: 20 };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "posthaste-fairness-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

test.each([
  ["on", "true", "with_fairness"],
  ["off", "false", "without_fairness"],
])(
  "the manual's check tells that Temporal's fairness is %s",
  async (_state, value, higher) => {
    const databasePath = join(dir, "temporal.db");
    const [binary, port] = [await temporalBinary(), await freePort()];
    const env = { PATH: process.env["PATH"], HOME: dir };
    const settings = { "matching.enableFairness": value };
    const program = temporalProgram({ binary, env, port, databasePath, settings });
    const server = createChild({ ...program, cwd: dir, logPath: join(dir, "temporal.log") });
    await server.start();
    try {
      const temporal = async (args: readonly string[]) =>
        await promisify(execFile)(binary, [...args, "--address", `127.0.0.1:${port}`], { env });
      const database = new DatabaseSync(databasePath, { readOnly: true });
      // A task of the server's own may wait for a moment.
      const untilCounted = (counts: object) =>
        vi.waitFor(() => expect({ ...database.prepare(question).get() }).toEqual(counts), PATIENCE);
      const before = { with_fairness: 0, without_fairness: 0 };
      await untilCounted(before);
      await temporal(startArgs);
      await untilCounted({ ...before, [higher]: 1 });
      await temporal(endArgs);
      // The row outlives the workflow.
      await untilCounted({ ...before, [higher]: 1 });
      database.close();
    } finally {
      await server.kill();
    }
  },
  90_000,
);
