import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { findProgram, installFromDebian, NotInstallable } from "./debian.ts";

/** The client programs, by MySQL's name for them, and MariaDB's name. */
const CLIENTS = { mysql: "mariadb", mysqldump: "mariadb-dump" } as const;

/**
 * Puts the machine's `mysql` and `mysqldump` into a folder, under these names, whatever their own are. If the
 * machine lacks one, it first installs MariaDB's from Debian, as root.
 *
 * @throws Error whose message is one line that says what to install
 */
export async function linkMysqlClients(
  dir: string,
  progress: (line: string) => void = () => {},
): Promise<void> {
  const find = () => Object.entries(CLIENTS).map(([name, its]) => findProgram(name) ?? findProgram(its));
  if (find().includes(undefined)) {
    await installFromDebian(["mariadb-client"], progress).catch((error: unknown) => {
      const reason = error instanceof NotInstallable ? "this machine lacks them" : "installing them failed";
      throw new Error(`tests need mysql and mysqldump, and ${reason}: install mariadb-client`, {
        cause: error,
      });
    });
  }
  for (const [i, name] of Object.keys(CLIENTS).entries()) {
    const path = find()[i];
    if (path === undefined) throw new Error(`mariadb-client installed no ${name}`);
    symlinkSync(path, join(dir, name));
  }
}
