import { setTimeout as sleep } from "node:timers/promises";
import type { Injection } from "./injection.ts";

/** Fills the disk of SQLite's file or that of the logs, and frees it after a while. */
export const fillDisk: Injection = async ({ disks }, { target, forMs }) => {
  const disk = target === "log disk" ? disks?.log : disks?.database;
  disk?.fill();
  await sleep(forMs);
  disk?.free();
};
