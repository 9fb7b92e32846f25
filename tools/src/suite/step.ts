/** The result of a step of the suite. */
export type StepResult = {
  readonly passed: number;
  readonly failed: number;
  /** An explanation for the user, such as the output of a failed command; printed unchanged. */
  readonly details?: string;
  /** What failed, a line each; listed again below the counts, since often only a run's end is kept. */
  readonly failures?: readonly string[];
};

/** A part of `npm test`. Most steps count as one test; the step `tests` counts every test of the suite. */
export type Step = {
  /** The name for `npm test -- --only NAME`. */
  readonly name: string;
  /** True: the step needs neither a build nor a server, and `npm run check` includes it. */
  readonly quick: boolean;
  run(context: { root: string; signal: AbortSignal }): Promise<StepResult>;
};
