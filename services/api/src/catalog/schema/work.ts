/**
 * Steps that one call may spend on holding its events against schemas. A step takes 10 to 200 ns, so this is up to
 * 0.2 s in which nobody else is served. A batch of 4 MiB against schemas that people write takes some 500,000.
 */
export const STEPS_MAX = 1_000_000;

/** A schema costs more than a call may spend; what was being checked is neither right nor wrong. */
export class WorkExceeded extends Error {
  override readonly name = "WorkExceeded";
}

/** What a call has left to spend. */
export type Work = { left: number };

export function newWork(steps = STEPS_MAX): Work {
  return { left: steps };
}

/** Validators run to their end without a pause, so there is one account at a time, and it need not be handed around. */
let current: Work = { left: 0 };

/**
 * Runs what charges its steps. Overflowing the stack counts as spending too much: only a schema that goes round in
 * circles does.
 *
 * @throws WorkExceeded
 */
export function spending<T>(work: Work, body: () => T): T {
  const before = current;
  current = work;
  try {
    return body();
  } catch (error) {
    throw error instanceof RangeError ? new WorkExceeded("a schema goes round in circles") : error;
  } finally {
    current = before;
  }
}

/** @throws WorkExceeded */
export function charge(steps: number): void {
  current.left -= steps;
  if (current.left < 0) throw new WorkExceeded("a schema takes too many steps");
}
