/**
 * Kills every process of a group, if any is left.
 *
 * @param pid the process that leads the group; undefined: it was not started
 */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All have ended.
  }
}
