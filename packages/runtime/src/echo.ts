/**
 * One wish to stop arrives several times: a terminal signals every process of its group and systemd every
 * process of its unit, and each npm and shell above this process passes the signal on. They do so within
 * milliseconds; a second is room for a busy machine, and shorter than a user takes to lose patience.
 */
const ECHO_MS = 1_000;

/**
 * Creates a function that returns whether a signal is an echo: the same signal came within the last second,
 * and was none.
 */
export function createEchoes(): (signal: string) => boolean {
  const heardAt = new Map<string, number>();
  return (signal) => {
    const now = performance.now();
    if (now - (heardAt.get(signal) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return true;
    heardAt.set(signal, now);
    return false;
  };
}
