/** A timer is always a little late; by this much only where the process did not run. */
const LATE_MS = 250;

export type Deadline = {
  hasPassed(): boolean;
  /** What a promise comes to, unless the time is over first: then its late end is dropped. One promise at a time. */
  bound<T>(promise: Promise<T>): Promise<T>;
  clear(): void;
};

/**
 * Is over after a time, of which what this process slept through (it was paused, its machine had no time for it) is
 * given back, up to as much again. Timers come before sockets when a process wakes up: without this, a receiver that
 * answered in time, or was never asked, would have the blame, an attempt less and ten minutes' wait. Given back only
 * once, so that an attempt ends however often that happens.
 */
export function startDeadline(timeoutMs: number): Deadline {
  let passed = false;
  let onPassed = () => {};
  const pass = () => {
    passed = true;
    onPassed();
  };
  const dueAt = performance.now() + timeoutMs;
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueAt;
    if (lateMs < LATE_MS) return pass();
    timer = setTimeout(pass, Math.min(lateMs, timeoutMs));
  }, timeoutMs);
  return {
    hasPassed: () => passed,
    bound: (promise) =>
      new Promise((resolve, reject) => {
        onPassed = () => reject(new Error("too late"));
        promise.then(resolve, reject);
        if (passed) onPassed();
      }),
    clear: () => clearTimeout(timer),
  };
}
