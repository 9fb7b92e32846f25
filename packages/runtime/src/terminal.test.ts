import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const TERMINAL = new URL("./terminal.ts", import.meta.url);
/** More than a pipe holds. */
const LINES = 20_000;

/** The arguments of a Node that runs this body as a command's main function. */
function command(body: string): readonly string[] {
  const program = `
    import { runMain } from ${JSON.stringify(TERMINAL.href)};
    await runMain(async () => { ${body} });`;
  return ["--import", "tsx", "--conditions", "source", "--input-type=module", "--eval", program];
}
const cwd = fileURLToPath(new URL(".", import.meta.url));
const MANY = `for (let n = 0; n < ${LINES}; n++) console.log("line " + n); console.error("done"); return 7;`;

test("a reader that takes its time gets every line", async () => {
  const child = spawn(process.execPath, command(MANY), {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Reads nothing until all has been written, as a pager does.
  await once(child.stderr, "data");
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  expect(await once(child, "close")).toEqual([7, null]);
  expect(output.split("\n")).toHaveLength(LINES + 1);
});

test.each([
  ["console.log", MANY],
  // A pause, so that the failure arrives while the command is at work.
  [
    "the stream",
    `for (let n = 0; n < ${LINES}; n++) process.stdout.write("line\\n");
     await new Promise((done) => setTimeout(done, 100)); return 7;`,
  ],
])("a reader that leaves, as head does, is no failure of a command that writes to %s", (_how, body) => {
  const args = command(body).map((arg) => `'${arg.replaceAll("'", "'\\''")}'`);
  const script = `{ "${process.execPath}" ${args.join(" ")}; echo "code $?" >&2; } | head -1 >/dev/null`;
  expect(spawnSync("sh", ["-c", script], { cwd, encoding: "utf8" }).stderr).toMatch(/^(done\n)?code 7\n$/);
});

test("output that cannot be written is a failure, and says so", () => {
  const full = openSync("/dev/full", "w");
  try {
    const { status, stderr } = spawnSync(process.execPath, command("console.log(1); return 0;"), {
      cwd,
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "posthaste: the output could not be written (ENOSPC)\n",
    });
  } finally {
    closeSync(full);
  }
});
