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
    // As libraries do, and Node itself with a warning.
    process.stderr.write("line");
    process.stdout.write("line");
    if (++lines < 50) return;
    clearInterval(timer);
    process.exit(STILL_HERE);
  }, 2);`;

const STILL_HERE = 77;

test("a process goes on while the disk of its log is full, and ends when it wants to", async () => {
  // Every write to this device fails as on a full disk.
  const script = 'exec "$0" --input-type=module-typescript --eval "$1" > /dev/full 2> /dev/full';
  const program = PROGRAM.replace("STILL_HERE", String(STILL_HERE));
  const ended = run("sh", ["-c", script, process.execPath, program], { timeout: 20_000 });
  await expect(ended).rejects.toMatchObject({ code: STILL_HERE });
}, 30_000);
