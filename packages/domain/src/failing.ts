/** When a subscription that keeps failing is disabled. */
export type DisableRule = {
  /** Since its last success, or its first failure where it never had one. */
  readonly failingForMs: number;
  /** Deliveries that used up the whole schedule since then. */
  readonly exhausted: number;
};

/** Five days outlast a weekend and the schedule of a delivery (34 h) thrice; three deliveries are no accident. */
export const DISABLE_RULE: DisableRule = { failingForMs: 5 * 86_400_000, exhausted: 3 };

/** Whether it is time, at the moment a delivery was exhausted. */
export function isToBeDisabled(
  rule: DisableRule,
  failing: { readonly sinceMs: number; readonly exhausted: number },
  nowMs: number,
): boolean {
  return failing.exhausted >= rule.exhausted && nowMs - failing.sinceMs >= rule.failingForMs;
}
