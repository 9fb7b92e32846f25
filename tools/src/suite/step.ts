/** What a step of the suite came to. */
export type StepResult = {
  readonly passed: number;
  readonly failed: number;
  /** What a person needs to see of a failure; printed as it is. */
  readonly details?: string;
};

/** One thing that `npm test` runs. Most count as one test; the test suites contribute their own. */
export type Step = {
  /** As in `npm test -- --only NAME`. */
  readonly name: string;
  /** Needs neither a build nor a server: part of `npm run check`. */
  readonly quick: boolean;
  run(context: { root: string; signal: AbortSignal }): Promise<StepResult>;
};
