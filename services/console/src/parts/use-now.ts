import { useSyncExternalStore } from "react";

/** The interval at which relative times are updated. They count seconds. */
const EVERY_MS = 1_000;

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

/**
 * Returns the current time, and renders again every second if `ticks`. All components share one timer. The
 * time is read at each rendering, as what is shown between two ticks may have happened since the last one.
 */
export function useNow(ticks: boolean): number {
  const last = useSyncExternalStore(ticks ? subscribe : never, () => now);
  return ticks ? Math.max(last, Date.now()) : last;
}
