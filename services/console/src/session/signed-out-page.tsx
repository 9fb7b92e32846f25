import { Notice } from "./notice.tsx";
import type { SignedOutBecause } from "./stage.ts";

/** Says how to open it again, since a customer cannot sign in and comes from the platform's page. */
export const REOPEN = "Open it again from the page that you came from.";

/** What a customer sees after a portal session. */
export function SignedOutPage({ why }: { why: SignedOutBecause }) {
  return <Notice title={why === "ended" ? "Your session has ended" : "You have signed out"} text={REOPEN} />;
}
