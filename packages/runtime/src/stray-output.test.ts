import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

type Line = Readonly<Record<string, unknown>> & { readonly event: string };

/** Runs a program whose stray output is logged. Returns the lines of its standard output. */
function linesOf(
  program: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): { lines: Line[]; stderr: string; status: number | null } {
  const text = `
    import { logStrayOutput } from "./stray-output.ts";
    logStrayOutput("test");
    ${program}`;
  const options = [
    "--import",
    "tsx",
    "--conditions",
    "source",
    ...args,
    "--input-type=module",
    "--eval",
    text,
  ];
  const { stdout, stderr, status } = spawnSync(process.execPath, options, {
    cwd: FOLDER,
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
    timeout: 30_000,
  });
  const lines = stdout
    .trimEnd()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  for (const line of lines) {
    expect(line).toMatchObject({ service: "test", level: expect.any(String), time: expect.any(String) });
  }
  return { lines, stderr, status };
}
const without = ({ time: _, ...line }: Line) => line;
const printed = (stream: string, text: string) => ({
  level: "warn",
  service: "test",
  event: "process.printed",
  stream,
  text,
});

test("what a library prints, in colour and over several lines, is one line of the log for each print", () => {
  const { lines, stderr, status } = linesOf(`
    console.log("\\u001b[32mgreen\\u001b[39m", { a: { b: [1, 2] } });
    console.error(new Error("first\\nsecond").message);
    process.stderr.write(Buffer.from("bytes\\n"));
    await new Promise((done) => process.stdout.write("", done));
    await new Promise((done) => process.stdout.write("x".repeat(100_000), "utf8", done));`);
  expect(lines.slice(0, 3).map(without)).toEqual([
    printed("stdout", "green { a: { b: [ 1, 2 ] } }"),
    printed("stderr", "first\nsecond"),
    printed("stderr", "bytes"),
  ]);
  expect(lines).toHaveLength(4);
  expect(String(lines[3]?.["text"])).toHaveLength(8_192);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
});

test("so are what a thread prints and warns of", () => {
  const { lines, stderr } = linesOf(`
    import { Worker } from "node:worker_threads";
    const code = "console.log('from a thread'); process.emitWarning('in a thread')";
    await new Promise((done) => new Worker(code, { eval: true }).once("exit", done));
    await new Promise(setImmediate);`);
  const texts = lines.map((line) => line["text"]).join();
  expect(texts).toContain("from a thread");
  expect(texts).toContain("in a thread");
  expect(stderr).toBe("");
});

test("warnings of Node are lines with their name and code", () => {
  const { lines, stderr } = linesOf(`
    process.emitWarning("old", "DeprecationWarning", "DEP9999");
    for (let n = 0; n < 11; n++) process.on("SIGUSR1", () => {});
    setImmediate(() => process.exit(0));`);
  const warning = { level: "warn", service: "test", event: "process.warning" };
  expect(lines.map(without)).toEqual([
    { ...warning, name: "DeprecationWarning", code: "DEP9999", message: "old" },
    { ...warning, name: "MaxListenersExceededWarning", message: expect.stringContaining("SIGUSR1") },
  ]);
  expect(stderr).toBe("");
});

test.each([
  [{ args: ["--disable-warning=ExperimentalWarning"] }, ["DEP9999"]],
  [{ env: { NODE_OPTIONS: "--max-old-space-size=512 --disable-warning=DEP9999" } }, [undefined]],
  [{ env: { NODE_NO_WARNINGS: "1" } }, []],
])("warnings that Node's flags turn off are no lines: %j", (options, codes) => {
  const { lines, stderr } = linesOf(
    `process.emitWarning("new", "ExperimentalWarning");
    process.emitWarning("old", "DeprecationWarning", "DEP9999");
    setImmediate(() => process.exit(0));`,
    options,
  );
  expect(lines.map((line) => line["code"])).toEqual(codes);
  expect(stderr).toBe("");
});

test.each([
  ["throws later", `setTimeout(() => { throw new TypeError("a\\nb"); }); setInterval(() => {}, 1_000);`],
  ["throws at its import", `throw new TypeError("a\\nb");`],
  [
    "rejects and nobody handles it",
    `void Promise.reject(new TypeError("a\\nb")); setInterval(() => {}, 1_000);`,
  ],
])("a program that %s ends with 1, and its last line has the error with its stack", (_, program) => {
  const { lines, stderr, status } = linesOf(program);
  expect(lines.at(-1)).toMatchObject({
    level: "error",
    event: "process.crashed",
    error: { type: "TypeError", message: "a\nb", stack: expect.stringContaining("at ") },
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 1 });
});
