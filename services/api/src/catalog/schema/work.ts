/**
 * Steps that one call may spend on checking its events against schemas. A step takes 10 to 200 ns, so all of
 * them occupy a thread for up to 0.2 s. A batch of 4 MiB with schemas written by people takes about
 * 500,000.
 */
const STEPS_MAX = 1_000_000;

/** A schema costs more steps than a call may spend, so it is unknown whether the snapshot matches. */
export class WorkExceeded extends Error {
  override readonly name = "WorkExceeded";
}

/** The steps a call may still spend. */
export type Work = { left: number };

export function newWork(steps = STEPS_MAX): Work {
  return { left: steps };
}

/** The work being charged. Validators run synchronously, so only one is current at a time. */
let current: Work = { left: 0 };

/**
 * Runs a validator that charges its steps to `work`. A stack overflow counts as spending too much: only a
 * circular schema causes it.
 *
 * @throws WorkExceeded
 */
export function spending<T>(work: Work, body: () => T): T {
  const before = current;
  current = work;
  try {
    return body();
  } catch (error) {
    throw error instanceof RangeError ? new WorkExceeded("a schema is circular") : error;
  } finally {
    current = before;
  }
}

/** Charges steps to the current work. @throws WorkExceeded */
export function charge(steps: number): void {
  current.left -= steps;
  if (current.left < 0) throw new WorkExceeded("a schema takes too many steps");
}
