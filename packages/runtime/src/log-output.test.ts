import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

/** Writes lines to standard output, a few milliseconds apart, and ends on its own. */
const PROGRAM = `
  import { createLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
  const log = createLog("info", { service: "test" });
  let lines = 0;
  const timer = setInterval(() => {
    log.info("line");
    if (++lines < 50) return;
    clearInterval(timer);
    process.stderr.write("still here", () => process.exit(0));
  }, 2);`;

test("a process goes on while the disk of its log is full, and ends when it wants to", async () => {
  // Every write to this device fails as on a full disk.
  const script = 'exec "$0" --input-type=module-typescript --eval "$1" > /dev/full';
  const { stderr } = await run("sh", ["-c", script, process.execPath, PROGRAM], { timeout: 20_000 });
  expect(stderr).toContain("still here");
}, 30_000);
