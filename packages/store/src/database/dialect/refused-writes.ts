/**
 * How long a database counts as unavailable after it refused a write as it would refuse any: three of the
 * longest pauses of a loop that fails, so it counts as unavailable until some time after the last refusal.
 */
const REFUSES_FOR_MS = 15_000;

/** Remembers the last write that was refused as any other would be. */
export type RefusedWrites = {
  /** Notes a statement's error. */
  note(error: unknown): void;
  /** @throws Error if a write was refused in the last {@link REFUSES_FOR_MS} milliseconds */
  check(): void;
};

/**
 * Creates a {@link RefusedWrites}. A database whose disk is full answers every read, so a ping proves
 * nothing, and a small write may still fit where the next one does not. What it last refused is known.
 *
 * @param isMeant whether a database that answers reads refuses every write with this error
 * @param now milliseconds. Default: the clock of `performance.now`
 */
export function createRefusedWrites(
  isMeant: (error: unknown) => boolean,
  now: () => number = () => performance.now(),
): RefusedWrites {
  let last: { readonly error: unknown; readonly at: number } | undefined;
  return {
    note(error) {
      if (isMeant(error)) last = { error, at: now() };
    },
    check() {
      if (last === undefined || now() - last.at >= REFUSES_FOR_MS) return;
      throw new Error("the database answers, but refuses every write", { cause: last.error });
    },
  };
}
