import { setTimeout as sleep } from "node:timers/promises";
import type { Child, Stack } from "@posthaste/stack";
import type { Ledger } from "../world.ts";

/**
 * The pause before a failed start is repeated, as a supervisor would: a start fails while a dependency is
 * unavailable.
 */
const START_PAUSE_MS = 500;
const STARTS_MAX = 60;
const LOOKS_EVERY_MS = 200;
/** Characters of a log in the finding. */
const LOG_CHARS = 1_000;

/** Keeps the processes of a stack running, and notes those that ended although nobody killed them. */
export type Supervisor = {
  /** Returns whether a process is being started, or was killed and is not started yet. */
  isDown(child: Child): boolean;
  /** Kills a process, and starts it again after `forMs`. */
  killFor(child: Child, forMs: number): Promise<void>;
  stop(): Promise<void>;
};

export function supervise(stack: Stack, { troubles }: Pick<Ledger, "troubles">): Supervisor {
  const stopped = new AbortController();
  /** Those that a fault has killed, and those that are being started. */
  const down = new Set<Child>();
  const look = async () => {
    while (!stopped.signal.aborted) {
      for (const child of [stack.temporal, ...stack.apis, ...stack.workers]) {
        if (down.has(child) || child.running()) continue;
        down.add(child);
        troubles.push(`${child.logPath} ${await child.ended()} by itself: ${child.log().slice(-LOG_CHARS)}`);
        void start(child).finally(() => down.delete(child));
      }
      await sleep(LOOKS_EVERY_MS);
    }
  };
  const looking = look();
  return {
    isDown: (child) => down.has(child),
    async killFor(child, forMs) {
      if (down.has(child)) throw new Error(`${child.logPath}: two starts at once would be two processes`);
      down.add(child);
      try {
        await child.kill();
        await sleep(forMs);
        await start(child);
      } finally {
        down.delete(child);
      }
    },
    async stop() {
      stopped.abort();
      await looking;
    },
  };
}

async function start(child: Child): Promise<void> {
  for (let n = 1; ; n++) {
    try {
      return await child.start();
    } catch (error) {
      await child.kill();
      if (n === STARTS_MAX) throw error;
      await sleep(START_PAUSE_MS);
    }
  }
}
