import { setTimeout as sleep } from "node:timers/promises";
import { lockWrites } from "@posthaste/testkit";
import type { Injection } from "./injection.ts";

/** Holds SQLite's write lock, since SQLite has no process that could be killed or paused. */
export const lockDatabase: Injection = async ({ stack }, { forMs }) => {
  const lock = await lockWrites(stack.databaseUrl);
  await sleep(forMs);
  await lock.release();
};
