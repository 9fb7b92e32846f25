import { useSyncExternalStore } from "react";

/** The interval at which relative times, such as "3 min ago", are updated. */
const EVERY_MS = 5_000;

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  now = Date.now();
  timer ??= setInterval(() => {
    now = Date.now();
    for (const listener of listeners) listener();
  }, EVERY_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const never = () => () => {};

/** Returns the current time, at most 5 seconds old if `ticks`. All components share one timer. */
export function useNow(ticks: boolean): number {
  return useSyncExternalStore(ticks ? subscribe : never, () => now);
}
