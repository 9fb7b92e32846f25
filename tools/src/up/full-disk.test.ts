import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Complaint } from "@posthaste/runtime/terminal";
import { mountSmallDisk } from "@posthaste/testkit";
import { expect, test } from "vitest";
import { claimDataFolder, inWords } from "./data-folder.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { secretKeys } from "./secret-keys.ts";

const keys = `local:${randomBytes(32).toString("base64")}`;

const steps: readonly (readonly [string, (dataDir: string) => Promise<unknown>])[] = [
  ["the claim of the data folder", (dataDir) => claimDataFolder(dataDir, () => {})],
  ["a new sealing key", (dataDir) => secretKeys({ dataDir, preset: undefined })],
  [
    "a new database",
    (dataDir) =>
      prepareDatabase({
        url: `sqlite:${join(dataDir, "posthaste.db")}`,
        secretKeys: keys,
        dataDir,
        presetToken: undefined,
      }),
  ],
];

test.for(steps)("on a full disk, %s fails in words that name the folder", async ([, run], { skip }) => {
  const disk = mountSmallDisk(1);
  if (disk === undefined) return skip("this process may not mount a file system");
  try {
    disk.fill();
    const failure = await run(disk.dir).catch((error: unknown) => inWords(error, disk.dir));
    expect(failure).toEqual(
      new Complaint(`the disk of ${disk.dir} is full: make room, or choose another folder with --data`),
    );
  } finally {
    disk.remove();
  }
});

test("a process that cannot be recorded on a full disk leaves no file behind", async ({ skip }) => {
  const disk = mountSmallDisk(1);
  if (disk === undefined) return skip("this process may not mount a file system");
  try {
    const folder = await claimDataFolder(disk.dir, () => {});
    disk.fill();
    const before = await readdir(disk.dir);
    await expect(folder.note("worker", process.pid)).rejects.toMatchObject({ code: "ENOSPC" });
    expect(await readdir(disk.dir)).toEqual(before);
  } finally {
    disk.remove();
  }
});
