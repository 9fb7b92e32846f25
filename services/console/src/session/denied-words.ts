/** What may be read or changed, and how a page calls it. */
const CHANGES = {
  catalog: "change them",
  subscriptions: "change them",
  deliveries: "send, retry or cancel them",
} as const;

/** What the scopes of the catalogue are about, in the reader's words. */
const NAMES: Partial<Record<keyof typeof CHANGES, string>> = { catalog: "event types" };

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
  const [subject, access] = scope.split(":") as [keyof typeof CHANGES, "read" | "write"];
  const what = NAMES[subject] ?? subject;
  // Anybody may read the catalogue.
  const mayRead = subject === "catalog" || can(`${subject}:read`);
  const remedy = isPortal
    ? "Ask the platform that you came from if you need to."
    : `Sign in with a token that has the scope ${scope}.`;
  const who = isPortal ? "You may" : "Your token may";
  const see = isPortal ? "see" : "read";
  if (access === "read") return { title: `${who} not ${see} ${what}`, text: remedy };
  const title = mayRead
    ? `${who} ${see} ${what}, but not ${CHANGES[subject]}`
    : `${who} not ${CHANGES[subject].replace("them", what)}`;
  return { title, text: remedy };
}
