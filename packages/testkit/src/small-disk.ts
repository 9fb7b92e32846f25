import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own that can be filled up. */
export type SmallDisk = {
  readonly dir: string;
  /** Takes all the space that is left: every write that needs more fails with ENOSPC. */
  fill(): void;
  /** Gives that space back. */
  free(): void;
  /** Removes the file system with everything in it, also while a process has files in it. */
  remove(): void;
};

const BALLAST = Buffer.alloc(1024 * 1024);

/**
 * Mounts a small file system in memory.
 *
 * @param mebibytes its size; memory is taken only for what is written
 * @returns undefined if this process may not mount: that takes Linux and root
 */
export function mountSmallDisk(mebibytes: number): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=0700`, "tmpfs", dir], {
      stdio: "ignore",
    });
  } catch {
    // Not root, not Linux, or a container that may not mount. The caller says what it does without.
    rmSync(dir, { recursive: true, force: true });
    return undefined;
  }
  const ballast = join(dir, "ballast");
  const remove = () => {
    process.off("exit", remove);
    // Lazily: a process that is being killed may still have a file open.
    execFileSync("umount", ["--lazy", dir], { stdio: "ignore" });
    rmSync(dir, { recursive: true, force: true });
  };
  // An interrupted run exits without calling `remove`.
  process.on("exit", remove);
  return {
    dir,
    fill: () => fillUp(ballast),
    free: () => rmSync(ballast, { force: true }),
    remove,
  };
}

function fillUp(path: string): void {
  const file = openSync(path, "a");
  try {
    // Smaller and smaller pieces, so that not a page is left.
    for (let bytes = BALLAST.length; bytes >= 1024; ) {
      try {
        if (writeSync(file, BALLAST, 0, bytes) < bytes) bytes /= 2;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
        bytes /= 2;
      }
    }
  } finally {
    closeSync(file);
  }
}
