import { rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Injection } from "./injection.ts";

/** Lets no flush of SQLite's log succeed for a while. */
export const refuseFlushes: Injection = async ({ flushesRefusedPath }, { forMs }) => {
  writeFileSync(flushesRefusedPath, "");
  await sleep(forMs);
  rmSync(flushesRefusedPath, { force: true });
};

/** Returns the arguments for a Node in which flushes fail, as on a broken disk, while this file exists. */
export function refusableFlushes(path: string): readonly string[] {
  const code = `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const { existsSync, fdatasync, fsync } = fs;
    const refusable = (flush) => (file, callback) => {
      if (!existsSync(${JSON.stringify(path)})) return flush(file, callback);
      setImmediate(callback, Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO", errno: -5 }));
    };
    fs.fdatasync = refusable(fdatasync);
    fs.fsync = refusable(fsync);
    syncBuiltinESMExports();`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}
