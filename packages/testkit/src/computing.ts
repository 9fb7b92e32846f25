/**
 * Starts to count what this process computes. What else the machine does has no part in it, as it has in the
 * time.
 *
 * @returns milliseconds of a processor since then
 */
export function countComputing(): () => number {
  const begun = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1_000;
  };
}
