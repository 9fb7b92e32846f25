import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { findProgram } from "@posthaste/testkit";
import { runCommand } from "../suite/run-command.ts";
import { CannotRun, type SuiteContext } from "./others-suite.ts";

/** The folder with the pinned versions of the suites. */
export const PINS = "tools/conformance";
/** The folder of what was built and installed from them. */
export const CACHE = ".cache/conformance";
/** Far more than a download takes; without a network, some clients would wait for ever. */
const DOWNLOAD_WITHIN_MS = 120_000;
/** Enough to compile everything on a slow machine. */
const BUILD_WITHIN_MS = 600_000;
/** Without optimizations and C, both programs are compiled in two thirds of the time. */
const QUICKLY = ["-gcflags=all=-N -l", "-ldflags=-s -w"];

/**
 * Builds a program of the Go module in `tools/conformance`. A second build takes a second.
 *
 * @param path the import path of its package
 * @returns the program's path
 * @throws CannotRun without Go, or without what the build needs
 */
export async function goProgram(path: string, { root, signal }: SuiteContext): Promise<string> {
  requireProgram("go", "Go");
  const program = join(root, CACHE, basename(path));
  // Loads the sources, which downloads them.
  await prepared("go", ["list", "-C", PINS, "-deps", "-f", "", path], { root, signal });
  const args = ["build", "-C", PINS, ...QUICKLY, "-o", program, path];
  await prepared("go", args, { root, signal }, BUILD_WITHIN_MS);
  return program;
}

/**
 * Returns the folder with the sources of a module that the Go module requires.
 *
 * @throws CannotRun without Go, or without the module
 */
export async function goSources(module: string, { root, signal }: SuiteContext): Promise<string> {
  requireProgram("go", "Go");
  const args = ["list", "-C", PINS, "-m", "-f", "{{.Dir}}", module];
  return (await prepared("go", args, { root, signal })).trim();
}

/**
 * Installs the pinned Python packages, once for each content of `requirements.txt`, beside all others of the
 * machine.
 *
 * @returns the path of one of their programs
 * @throws CannotRun without Python, or without the packages
 */
export async function pythonProgram(name: string, { root, signal }: SuiteContext): Promise<string> {
  requireProgram("python3", "Python");
  const hasPip = await runCommand("python3", ["-c", "import ensurepip"], { root, signal });
  // Debian's Python comes without it.
  if (hasPip.code !== 0) throw new CannotRun("Python has no venv (on Debian: apt-get install python3-venv)");
  const requirements = join(root, PINS, "requirements.txt");
  const pins = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  const folder = join(root, CACHE, `python-${pins.slice(0, 16)}`);
  // Written last, so that an installation that was cut off is begun again.
  const done = join(folder, "installed");
  if (!existsSync(done)) {
    await prepared("python3", ["-m", "venv", "--clear", folder], { root, signal });
    const quietly = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1"];
    const pinned = ["--require-hashes", "--requirement", requirements];
    await prepared(join(folder, "bin/pip"), ["install", ...quietly, ...pinned], { root, signal });
    await writeFile(done, "");
  }
  return join(folder, "bin", name);
}

function requireProgram(name: string, language: string): void {
  if (findProgram(name) === undefined)
    throw new CannotRun(`${language} is not installed (no ${name} on PATH)`);
}

/** Returns the output of a command that prepares a suite. */
async function prepared(
  command: string,
  args: readonly string[],
  context: SuiteContext,
  withinMs = DOWNLOAD_WITHIN_MS,
): Promise<string> {
  // Neither of them may bring another Go: that is a choice of whoever set the machine up.
  const env = { GOTOOLCHAIN: "local", CGO_ENABLED: "0" };
  const { code, output } = await runCommand(command, args, { ...context, withinMs, env });
  if (code === 0) return output;
  const reason = output.trim().split("\n").at(-1) ?? "";
  throw new CannotRun(`${basename(command)} ${args[0]} failed: ${reason}`);
}
