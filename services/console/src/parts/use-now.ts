import { useSyncExternalStore } from "react";

/** "3 min ago" is right for so long. */
const EVERY_MS = 5_000;

let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  now = Date.now();
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, EVERY_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const never = () => () => {};

/** The time, as of some seconds ago; one clock for all that show it. */
export function useNow(ticks: boolean): number {
  return useSyncExternalStore(ticks ? subscribe : never, () => now);
}
