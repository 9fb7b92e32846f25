import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Program } from "./programs.ts";
import { runCommand } from "./run-command.ts";

/** The program on PATH, where it is there and new enough. */
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
    progress(`${path} is passed over: ${tooOld}`);
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
  if (code !== 0 || version === null) return "it does not tell its version";
  const newEnough =
    Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor);
  return newEnough ? undefined : `its server is older than ${major}.${minor}`;
}
