/** A timer that fires later than this shows that the process did not run. */
const LATE_MS = 250;

export type Deadline = {
  hasPassed(): boolean;
  /**
   * Settles like the promise, or rejects at the deadline and ignores the promise's later result. Bind one
   * promise at a time.
   */
  bound<T>(promise: Promise<T>): Promise<T>;
  clear(): void;
};

/**
 * Starts a deadline. It is extended once, by at most its own length, if the timer fires late because this
 * process did not run (it was suspended, or its machine was overloaded).
 *
 * When a process resumes, its timers fire before its sockets are read. Without the extension, a receiver that
 * answered in time, or never got the request, would get the outcome `timeout` and lose one of its attempts.
 * The deadline is extended only once, so that an attempt always ends.
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
        onPassed = () => reject(new Error("the deadline has passed"));
        promise.then(resolve, reject);
        if (passed) onPassed();
      }),
    clear: () => clearTimeout(timer),
  };
}
