import { setTimeout as sleep } from "node:timers/promises";
import type { Child, Stack } from "@posthaste/stack";
import { lockWrites, type OwnMysqlServer } from "@posthaste/testkit";
import type { Fault, Target } from "./plan.ts";

/** A process that can be killed and paused. */
type Victim = {
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
};

/**
 * The pause before a failed restart is repeated, as a supervisor would: a start fails while a dependency is
 * unavailable.
 */
const RESTART_PAUSE_MS = 500;
const RESTARTS_MAX = 60;

/** Carries out a plan. Resolves once every killed or paused process runs again. */
export async function injectFaults(
  stack: Stack,
  mysql: OwnMysqlServer | undefined,
  plan: readonly Fault[],
  onFault: (fault: Fault) => void,
): Promise<void> {
  const begun = performance.now();
  await Promise.all(
    plan.map(async (fault) => {
      await sleep(Math.max(0, fault.at - (performance.now() - begun)));
      onFault(fault);
      await inject(stack, mysql, fault);
    }),
  );
}

async function inject(stack: Stack, mysql: OwnMysqlServer | undefined, fault: Fault): Promise<void> {
  if (fault.kind === "lock") {
    const lock = await lockWrites(stack.databaseUrl);
    await sleep(fault.forMs);
    await lock.release();
    return;
  }
  const victim = victimOf(stack, mysql, fault.target);
  if (fault.kind === "pause") {
    victim.pause();
    await sleep(fault.forMs);
    victim.resume();
    return;
  }
  await victim.kill();
  await sleep(fault.forMs);
  await victim.restart();
}

function victimOf(stack: Stack, mysql: OwnMysqlServer | undefined, target: Target): Victim {
  switch (target) {
    case "api 1":
      return processOf(stack.apis[0]);
    case "api 2":
      return processOf(stack.apis[1]);
    case "worker 1":
      return processOf(stack.workers[0]);
    case "worker 2":
      return processOf(stack.workers[1]);
    case "temporal":
      return processOf(stack.temporal);
    case "database":
      if (mysql === undefined) throw new Error("SQLite has no process of its own");
      return mysql;
  }
}

function processOf(child: Child | undefined): Victim {
  if (child === undefined) throw new Error("the plan needs two APIs and two workers");
  return {
    kill: () => child.kill(),
    pause: () => child.pause(),
    resume: () => child.resume(),
    async restart() {
      for (let n = 1; ; n++) {
        try {
          return await child.start();
        } catch (error) {
          await child.kill();
          if (n === RESTARTS_MAX) throw error;
          await sleep(RESTART_PAUSE_MS);
        }
      }
    },
  };
}
