import { setTimeout as sleep } from "node:timers/promises";
import type { Injection } from "./injection.ts";

/** The number of the API and of the worker whose output goes through a pipe, from 0. */
export const PIPED = 1;

/**
 * Reads the output of one API and one worker no more, so that it piles up in their pipes, until it is read
 * again.
 */
export const stallLogs: Injection = async ({ stack }, { forMs }) => {
  const children = [stack.apis[PIPED], stack.workers[PIPED]];
  for (const child of children) child?.stallOutput();
  await sleep(forMs);
  for (const child of children) child?.readOutput();
};
