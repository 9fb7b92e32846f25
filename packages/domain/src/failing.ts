import { DAY_MS } from "./durations.ts";
/** The two thresholds that a failing subscription must reach to be disabled. */
export type DisableRule = {
  /**
   * Time since the subscription began to fail, or since its last resumption if that was later. It begins to
   * fail with the first failure after its last success.
   */
  readonly failingForMs: number;
  /** Deliveries exhausted in that time. */
  readonly exhausted: number;
};

/**
 * The default. Five days are longer than a weekend and than three times a delivery's schedule (34 h); three
 * exhausted deliveries are not an accident.
 */
export const DISABLE_RULE: DisableRule = { failingForMs: 5 * DAY_MS, exhausted: 3 };

/**
 * Returns whether to disable a subscription, given since when its failing counts and how many deliveries it
 * has exhausted in that time.
 */
export function isToBeDisabled(
  rule: DisableRule,
  failing: { readonly sinceMs: number; readonly exhausted: number },
  nowMs: number,
): boolean {
  return failing.exhausted >= rule.exhausted && nowMs - failing.sinceMs >= rule.failingForMs;
}
