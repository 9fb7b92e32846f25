import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where Debian puts servers, which is not on everyone's PATH. */
const SERVER_DIRS = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"];

/** This process may not install, or there is nothing to do it with. */
export class NotInstallable extends Error {
  override readonly name = "NotInstallable";
}

export function findProgram(name: string): string | undefined {
  const dirs = [...(process.env["PATH"] ?? "").split(delimiter), ...SERVER_DIRS];
  return dirs.map((dir) => join(dir, name)).find((path) => existsSync(path));
}

/**
 * Installs packages, as root on Debian and its like.
 *
 * @throws NotInstallable where that may not be done, and what apt says where it fails
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
  // Another apt may be at work; it is waited for.
  const wait = ["-o", "DPkg::Lock::Timeout=300"];
  await run("apt-get", [...wait, "-qq", "update"], { env });
  await run("apt-get", [...wait, "-qq", "install", "-y", "--no-install-recommends", ...packages], { env });
}
