/** A timer is always a little late; by this much only where the process did not run. */
const LATE_MS = 250;

export type Deadline = {
  readonly signal: AbortSignal;
  clear(): void;
};

/**
 * Aborts after a time, of which what this process slept through (it was paused, its machine had no time for it) is
 * given back, up to as much again. Timers come before sockets when a process wakes up: without this, a receiver that
 * answered in time, or was never asked, would have the blame, an attempt less and ten minutes' wait. Given back only
 * once, so that an attempt ends however often that happens.
 */
export function startDeadline(timeoutMs: number): Deadline {
  const controller = new AbortController();
  const dueAt = performance.now() + timeoutMs;
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueAt;
    if (lateMs < LATE_MS) return controller.abort();
    timer = setTimeout(() => controller.abort(), Math.min(lateMs, timeoutMs));
  }, timeoutMs);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
