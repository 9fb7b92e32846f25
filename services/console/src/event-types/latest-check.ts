/** What is known of the latest input. */
export type CheckState<Answer> =
  | { readonly kind: "none" }
  | { readonly kind: "checking"; readonly isSlow: boolean }
  | { readonly kind: "answered"; readonly answer: Answer };

/** How long nobody types before a check begins: shorter than a thought, and longer than a word. */
export const QUIET_MS = 400;
/** When the reader is told that a check takes long, in milliseconds. */
export const SLOW_MS = 3_000;

export type LatestCheck<Input> = {
  /** Checks an input, unless another one follows. Undefined: there is nothing to check. */
  ask(input: Input | undefined): void;
  stop(): void;
};

/**
 * Checks what somebody types: one check at a time, after a pause, and of the latest input only. The answer
 * for an earlier one is dropped.
 *
 * @param parts.check must not throw
 */
export function createLatestCheck<Input, Answer>(parts: {
  check(input: Input): Promise<Answer>;
  show(state: CheckState<Answer>): void;
}): LatestCheck<Input> {
  const { check, show } = parts;
  let waiting: { readonly input: Input } | undefined;
  let isUnderWay = false;
  let isStopped = false;
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let slow: ReturnType<typeof setTimeout> | undefined;

  const begin = async () => {
    if (isUnderWay || isStopped || waiting === undefined) return;
    const asked = waiting;
    isUnderWay = true;
    const answer = await check(asked.input);
    isUnderWay = false;
    if (isStopped) return;
    if (waiting !== asked) return await begin();
    waiting = undefined;
    clearTimeout(slow);
    show({ kind: "answered", answer });
  };

  return {
    ask(input) {
      clearTimeout(quiet);
      clearTimeout(slow);
      waiting = input === undefined ? undefined : { input };
      if (input === undefined) return show({ kind: "none" });
      show({ kind: "checking", isSlow: false });
      slow = setTimeout(() => show({ kind: "checking", isSlow: true }), SLOW_MS);
      quiet = setTimeout(() => void begin(), QUIET_MS);
    },
    stop() {
      isStopped = true;
      clearTimeout(quiet);
      clearTimeout(slow);
    },
  };
}
