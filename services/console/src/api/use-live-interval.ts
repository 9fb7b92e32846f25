import { useCallback, useEffect, useRef, useState } from "react";
import { useWatch } from "./use-watch.tsx";

/** How long after the last change counters are still refreshed: the worker counts changes a little later. */
const CALM_AFTER_MS = 15_000;
/** How often to poll while nothing happens, for what changes with time alone. */
const CALM_EVERY_MS = 60_000;
/** How often to poll while no stream is open. */
const NOT_LIVE_EVERY_MS = 10_000;

/**
 * Returns the interval at which to poll what follows from deliveries, such as counters: `everyMs` while
 * deliveries change, and a minute while nothing happens.
 */
export function useLiveInterval(everyMs: number): number {
  // What was counted before the page was opened may still change.
  const [isCalm, setCalm] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const awaitCalm = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCalm(true), CALM_AFTER_MS);
  }, []);
  useEffect(() => {
    awaitCalm();
    return () => clearTimeout(timer.current);
  }, [awaitCalm]);
  const status = useWatch(() => {
    setCalm(false);
    awaitCalm();
  });
  if (status !== "live") return NOT_LIVE_EVERY_MS;
  return isCalm ? CALM_EVERY_MS : everyMs;
}
