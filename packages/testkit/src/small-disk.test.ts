import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mountSmallDisk } from "./small-disk.ts";

test("a small disk that is filled up refuses writes until it is freed, where the process may mount one", () => {
  const disk = mountSmallDisk(4);
  const write = () => disk && writeFileSync(join(disk.dir, "file"), Buffer.alloc(8192));
  expect(write).not.toThrow();
  disk?.fill();
  const isFull = () => {
    if (disk !== undefined) writeFileSync(join(disk.dir, "other"), Buffer.alloc(8192));
    else throw new Error("ENOSPC would be thrown if this process might mount");
  };
  expect(isFull).toThrow("ENOSPC");
  disk?.free();
  expect(write).not.toThrow();
  disk?.remove();
  expect(existsSync(disk?.dir ?? "")).toBe(false);
});
