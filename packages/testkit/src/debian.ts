import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A program that tests use, and where it comes from. */
export type Tool = {
  /** What tests need, as in "tests need a browser". */
  readonly what: string;
  /** The variable that may hold its path. */
  readonly variable: string;
  /** Its names, the best one first. */
  readonly programs: readonly string[];
  /** Debian's packages that install it. */
  readonly packages: readonly string[];
  /** What to do if it cannot be found or installed. */
  readonly waysOut: string;
};

/** Debian's folders for servers, which PATH often lacks. */
const SERVER_DIRS = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"];

/** This process is not root, or the machine has no apt-get. */
export class NotInstallable extends Error {
  override readonly name = "NotInstallable";
}

/** Returns the path of a program on PATH or in Debian's folders for servers, or undefined. */
export function findProgram(name: string): string | undefined {
  const dirs = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_DIRS];
  return dirs.map((dir) => join(dir, name)).find((path) => existsSync(path));
}

/**
 * Installs packages with apt-get, which requires root.
 *
 * @throws NotInstallable if this process is not root or has no apt-get; apt-get's own error if it fails
 */
export async function installFromDebian(
  packages: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  if (process.getuid?.() !== 0 || findProgram("apt-get") === undefined) {
    throw new NotInstallable(`${packages.join(" and ")} cannot be installed here`);
  }
  progress(`installing ${packages.join(" and ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // Waits up to 300 s for another apt to finish.
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  await run("apt-get", [...wait, "-qq", "update"], { env });
  await run("apt-get", [...wait, "-qq", "install", "-y", "--no-install-recommends", ...packages], { env });
}

/**
 * Finds a tool: at the path in its variable, else on PATH, else one that it installs from Debian (as root).
 *
 * @returns its path
 * @throws Error whose message is one line that says what to install or set
 */
export async function findTool(
  { what, variable, programs, packages, waysOut }: Tool,
  progress: (line: string) => void = () => {},
): Promise<string> {
  const given = process.env[variable];
  if (given !== undefined && given !== "") {
    if (existsSync(given)) return given;
    throw new Error(`tests need ${what}, and ${variable} does not exist: ${waysOut}`);
  }
  const find = () => programs.map(findProgram).find((path) => path !== undefined);
  const found = find();
  if (found !== undefined) return found;
  try {
    await installFromDebian(packages, progress);
  } catch (error) {
    const reason = error instanceof NotInstallable ? "this machine has none" : "it could not be installed";
    throw new Error(`tests need ${what}, and ${reason}: ${waysOut}`, { cause: error });
  }
  const installed = find();
  if (installed === undefined) throw new Error(`${packages[0]} did not install ${what}: ${waysOut}`);
  return installed;
}
