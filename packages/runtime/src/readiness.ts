/** Tells for each dependency why it is unavailable; undefined: it is available. */
export type WhyAway = () => Promise<Readonly<Record<string, string | undefined>>>;

/**
 * Returns the body of `/readyz`, such as `{"database":"away","temporal":"ok","why":{"database":"full"}}`.
 *
 * @param why what a {@link WhyAway} tells
 */
export function readinessOf(why: Awaited<ReturnType<WhyAway>>) {
  const entries = Object.entries(why);
  const states = entries.map(([name, reason]) => [name, reason === undefined ? "ok" : "away"]);
  const away = entries.filter(([, reason]) => reason !== undefined);
  return { ...Object.fromEntries(states), ...(away.length > 0 && { why: Object.fromEntries(away) }) };
}
