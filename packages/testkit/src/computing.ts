/**
 * Starts to measure the processor time of this process. Unlike elapsed time, it does not depend on
 * the machine's load.
 *
 * @returns a function that returns the processor time since then, in milliseconds
 */
export function countComputing(): () => number {
  const begun = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1_000;
  };
}
