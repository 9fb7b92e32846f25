/**
 * Shows what is in progress and for how long: updated in place every second on a terminal, and as a new line
 * every 15 s elsewhere.
 *
 * @param {NodeJS.WritableStream & { isTTY?: boolean }} to
 * @param {string} what
 */
export function startTicker(to, what) {
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  if (!to.isTTY) to.write(`${what} …\n`);
  const timer = setInterval(
    () => to.write(to.isTTY ? `\r${what} … ${seconds()} s` : `${what} … ${seconds()} s\n`),
    to.isTTY ? 1_000 : 15_000,
  );
  return {
    /** @param {boolean} done */
    stop(done) {
      clearInterval(timer);
      to.write(`${to.isTTY ? "\r" : ""}${what} … ${done ? "done" : "failed"} after ${seconds()} s\n`);
    },
  };
}
