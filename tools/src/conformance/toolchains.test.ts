import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CannotRun, type SuiteContext } from "./others-suite.ts";
import { goProgram, goSources, PINS, pythonProgram } from "./toolchains.ts";

let context: SuiteContext;
let bin: string;
beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), "posthaste-toolchains-"));
  context = { root, signal: new AbortController().signal };
  bin = join(root, "bin");
  await mkdir(bin);
  await mkdir(join(root, PINS), { recursive: true });
  await writeFile(join(root, PINS, "requirements.txt"), "theirs==1.0\n");
  vi.stubEnv("PATH", bin);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(context.root, { recursive: true, force: true });
});

/** Puts a program on PATH that is a shell script. */
async function install(name: string, script: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
}

test("without Go or Python, their suites cannot run", async () => {
  await expect(goProgram("example.com/theirs", context)).rejects.toThrow(
    new CannotRun("Go is not installed (no go on PATH)"),
  );
  await expect(goSources("example.com/theirs", context)).rejects.toThrow(CannotRun);
  await expect(pythonProgram("theirs", context)).rejects.toThrow(
    new CannotRun("Python is not installed (no python3 on PATH)"),
  );
});

test("with a Python that cannot install packages, its suite cannot run", async () => {
  await install("python3", "echo No module named ensurepip >&2; exit 1");
  await expect(pythonProgram("theirs", context)).rejects.toThrow(
    new CannotRun("Python has no venv (on Debian: apt-get install python3-venv)"),
  );
});

test("a suite that cannot be built says so by the last line of what was printed", async () => {
  await install("go", "echo a module; echo go.mod requires go 9.9 >&2; exit 1");
  await expect(goProgram("example.com/theirs", context)).rejects.toThrow(
    new CannotRun("go list failed: go.mod requires go 9.9"),
  );
});

test("a Go program is built with the Go of the machine", async () => {
  await install("go", 'echo "$GOTOOLCHAIN $@"; [ "$GOTOOLCHAIN" = local ]');
  expect(await goProgram("example.com/cmd/theirs", context)).toBe(
    join(context.root, ".cache/conformance/theirs"),
  );
  expect(await goSources("example.com/theirs", context)).toMatch(/^local list .* example\.com\/theirs$/);
});

test("Python packages are installed once, and again after an installation that failed", async () => {
  const pip = '#!/bin/sh\\necho pip >> "$(dirname "$0")/../../runs"\\n[ -e "$(dirname "$0")/../../ok" ]\\n';
  await install(
    "python3",
    `[ "$1" = -c ] && exit 0; /bin/mkdir -p "$4/bin"; printf '${pip}' > "$4/bin/pip"; /bin/chmod +x "$4/bin/pip"`,
  );
  vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`);
  await expect(pythonProgram("theirs", context)).rejects.toThrow(CannotRun);
  const cache = join(context.root, ".cache/conformance");
  await writeFile(join(cache, "ok"), "");
  const program = await pythonProgram("theirs", context);
  expect(program).toMatch(/\/python-[0-9a-f]{16}\/bin\/theirs$/);
  expect(await pythonProgram("theirs", context)).toBe(program);
  expect(await readFile(join(cache, "runs"), "utf8")).toBe("pip\npip\n");
});
