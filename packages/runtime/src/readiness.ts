/** Tells for each dependency why it is unavailable; undefined: it is available. */
export type WhyAway = () => Promise<Readonly<Record<string, string | undefined>>>;

export type Readiness = {
  /** Whether `/readyz` answers 200, or 503. */
  readonly isReady: boolean;
  /** The answer's body, such as `{"database":"away","temporal":"ok","why":{"database":"full"}}`. */
  readonly body: Readonly<Record<string, unknown>>;
};

/**
 * Returns what `/readyz` answers of a process that needs all of its dependencies.
 *
 * @param why what a {@link WhyAway} tells
 */
export function readinessOf(why: Awaited<ReturnType<WhyAway>>): Readiness {
  const entries = Object.entries(why);
  const states = entries.map(([name, reason]) => [name, reason === undefined ? "ok" : "away"]);
  const away = entries.filter(([, reason]) => reason !== undefined);
  const body = { ...Object.fromEntries(states), ...(away.length > 0 && { why: Object.fromEntries(away) }) };
  return { isReady: away.length === 0, body };
}
