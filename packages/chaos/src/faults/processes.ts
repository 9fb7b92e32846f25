import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "@posthaste/stack";
import type { Target } from "../plan.ts";
import type { Injection, Machinery } from "./injection.ts";

/** Kills a process (SIGKILL), and starts it again. */
export const killProcess: Injection = async (machinery, { target, forMs }) => {
  const { mysql, supervisor } = machinery;
  if (target !== "database") return await supervisor.killFor(childOf(machinery, target), forMs);
  await mysql?.kill();
  await sleep(forMs);
  await mysql?.restart();
};

/** Kills a process for a long time. */
export const beAway: Injection = killProcess;

/** Suspends a process (SIGSTOP): its sockets stay open and answer nothing. */
export const pauseProcess: Injection = async (machinery, { target, forMs }) => {
  const victim = target === "database" ? machinery.mysql : childOf(machinery, target);
  victim?.pause();
  await sleep(forMs);
  victim?.resume();
};

function childOf({ stack }: Machinery, target: Target): Child {
  const [kind, number] = target.split(" ");
  const children = kind === "api" ? stack.apis : kind === "worker" ? stack.workers : [stack.temporal];
  const child = children[Number(number ?? 1) - 1];
  if (child === undefined) throw new Error(`there is no ${target}`);
  return child;
}
