import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

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
