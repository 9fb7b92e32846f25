import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { CreatePortalLinkRequest } from "@posthaste/contracts/account";
import { type AccountId, HOUR_MS, MINUTE_MS, Refusal, SCOPES, type SessionTheme } from "@posthaste/domain";
import { type By, createPortalLink } from "@posthaste/store";
import { PORTAL_PATH } from "../console/console-paths.ts";
import type { Deps } from "../deps.ts";
import { themeFrom } from "./theme.ts";

/** Default lifetime of a portal link: enough for a redirect, or for a user who hesitates. */
const LINK_LIFETIME_MS = 15 * MINUTE_MS;
/**
 * Default lifetime of a portal session: enough to investigate a failure. The platform can create another
 * link.
 */
const SESSION_LIFETIME_MS = HOUR_MS;

/** Creates the link that a request asks for. */
export async function createLink(
  { store, now, limits }: Pick<Deps, "store" | "now" | "limits">,
  { accountId, scopes, linkLifetime, sessionLifetime, theme: wanted }: CreatePortalLinkRequest,
  by: By,
) {
  const sessionMs = sessionLifetime === undefined ? SESSION_LIFETIME_MS : durationMs(sessionLifetime);
  requireAllowed(sessionMs, limits.portalSessionMaxMs);
  const theme = themeFrom(wanted);
  const at = now();
  const expiresAt = at + (linkLifetime === undefined ? LINK_LIFETIME_MS : durationMs(linkLifetime));
  const code = await createPortalLink(store, {
    accountId: accountId as AccountId,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    ...{ expiresAt, sessionMs, theme, now: at, by },
  });
  return { path: pathOf(code, theme), expiresAt: timestampFromMs(expiresAt) };
}

function requireAllowed(sessionMs: number, maxMs: number): void {
  if (sessionMs <= maxMs) return;
  throw new Refusal(
    "invalid",
    `session_lifetime must be at most ${maxMs / HOUR_MS} hours here: ask for less, or have the operator raise POSTHASTE_PORTAL_SESSION_MAX_HOURS`,
    { field: "session_lifetime" },
  );
}

/** The theme is there before the code is exchanged, so that the page does not flash in another one. */
function pathOf(code: string, theme: SessionTheme): string {
  return `${PORTAL_PATH}${theme === null ? "" : `?theme=${theme}`}#${code}`;
}
