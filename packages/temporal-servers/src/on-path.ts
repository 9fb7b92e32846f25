import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Program } from "./programs.ts";
import { runCommand } from "./run-command.ts";

/** Returns the path of the first program on PATH that is new enough, or undefined. */
export async function onPath(
  program: Program,
  env: Readonly<Record<string, string | undefined>>,
  progress: (line: string) => void,
): Promise<string | undefined> {
  for (const dir of (env["PATH"] ?? "").split(delimiter)) {
    const path = join(dir, program.name);
    if (dir === "" || !(await isExecutable(path))) continue;
    const tooOld = await whyTooOld(program, path, env);
    if (tooOld === undefined) return path;
    progress(`skipping ${path}: ${tooOld}`);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function whyTooOld(
  program: Program,
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (program.serverAtLeast === undefined) return undefined;
  const [major, minor] = program.serverAtLeast;
  const { code, output } = await runCommand(path, ["--version"], { env, withinMs: 10_000 });
  const version = /Server (\d+)\.(\d+)/.exec(output);
  if (code !== 0 || version === null) return "its version is unknown";
  const newEnough =
    Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor);
  return newEnough ? undefined : `its server is older than ${major}.${minor}`;
}
