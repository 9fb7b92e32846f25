/** What may be read or changed, and how a page calls it. */
const CHANGES = {
  subscriptions: "change them",
  deliveries: "send, retry or cancel them",
} as const;

/** A scope that a page or a form needs. */
export type NeededScope = `${keyof typeof CHANGES}:${"read" | "write"}`;

/**
 * Says that a session lacks a scope, and what it may do instead.
 *
 * @param isPortal whether its reader is a customer, who knows of no token
 */
export function deniedWords(
  scope: NeededScope,
  { can, isPortal }: { can(scope: string): boolean; isPortal: boolean },
): { title: string; text: string } {
  const [what, access] = scope.split(":") as [keyof typeof CHANGES, "read" | "write"];
  const remedy = isPortal
    ? "Ask the platform that you came from if you need to."
    : `Sign in with a token that has the scope ${scope}.`;
  const who = isPortal ? "You may" : "Your token may";
  const see = isPortal ? "see" : "read";
  if (access === "read") return { title: `${who} not ${see} ${what}`, text: remedy };
  const title = can(`${what}:read`)
    ? `${who} ${see} ${what}, but not ${CHANGES[what]}`
    : `${who} not ${CHANGES[what].replace("them", what)}`;
  return { title, text: remedy };
}
