import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { makeQuickDir, removeLeftQuickDirs } from "./quick-dir.ts";

test("only the directories of killed processes are removed", () => {
  const memory = mkdtempSync(join(tmpdir(), "posthaste-memory-"));
  const live = makeQuickDir("store");
  try {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    const kept = [basename(live), "another-thing", `posthaste-${pid}`];
    for (const name of [...kept, `posthaste-store-${pid}-abc`]) mkdirSync(join(memory, name));
    removeLeftQuickDirs(memory);
    expect(readdirSync(memory).sort()).toEqual(kept.sort());
  } finally {
    rmSync(memory, { recursive: true });
    rmSync(live, { recursive: true });
  }
});
