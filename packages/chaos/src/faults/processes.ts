import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "@posthaste/stack";
import type { Target } from "../plan.ts";
import type { Injection, Machinery } from "./injection.ts";

/** Kills a process (SIGKILL), and starts it again. */
export const killProcess: Injection = async (machinery, { target, forMs }) => {
  const { mysql, supervisor } = machinery;
  const child = childOf(machinery, target);
  if (child !== undefined) return await supervisor.killFor(child, forMs);
  await mysql?.kill();
  await sleep(forMs);
  await mysql?.restart();
};

/** Kills a process for a long time. */
export const beAway: Injection = killProcess;

/** Suspends a process (SIGSTOP): its sockets stay open and answer nothing. */
export const pauseProcess: Injection = async (machinery, { target, forMs }) => {
  const victim = childOf(machinery, target) ?? machinery.mysql;
  victim?.pause();
  await sleep(forMs);
  victim?.resume();
};

/** Returns the process that is a target; undefined: the target is none of the stack's processes. */
export function childOf({ stack }: Machinery, target: Target): Child | undefined {
  const [kind, number] = target.split(" ");
  const children = { api: stack.apis, worker: stack.workers, temporal: [stack.temporal] }[kind ?? ""];
  return children?.[Number(number ?? 1) - 1];
}
