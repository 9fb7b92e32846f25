import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { SessionService } from "@posthaste/contracts/session";
import { Refusal } from "@posthaste/domain";
import { getAccount, getToken, openPortalLink, type Token } from "@posthaste/store";
import type { Caller } from "../access/caller.ts";
import type { Deps } from "../deps.ts";
import { actionOf, callerOf } from "./call-values.ts";
import { themeTo } from "./theme.ts";

export function sessionService({
  store,
  now,
  inboxes,
}: Pick<Deps, "store" | "now" | "inboxes">): ServiceImpl<typeof SessionService> {
  const sessionTo = async (
    { accountId, scopes }: Pick<Caller, "accountId" | "scopes">,
    { accountId: tokenAccountId, expiresAt, session }: Token,
  ) => ({
    accountId,
    accountName: (await getAccount(store, accountId))?.name ?? "",
    scopes: [...scopes],
    ...(expiresAt === null ? {} : { expiresAt: timestampFromMs(expiresAt) }),
    inboxes: inboxes !== null,
    tokenAccountId,
    portal: session !== null,
    theme: themeTo(session?.theme ?? null),
  });
  return {
    async openSession({ portalCode }, { method }) {
      const by = { actor: "portal_link", action: actionOf(method) } as const;
      const opened = await openPortalLink(store, { code: portalCode, now: now(), by });
      if (opened === undefined) {
        throw new Refusal(
          "unauthenticated",
          "this link was already used or has expired; ask for a new link where you got it",
          { reason: "LINK_INVALID" },
        );
      }
      return { secret: opened.secret, session: await sessionTo(opened.token, opened.token) };
    },

    async getSession(_request, context) {
      const caller = callerOf(context);
      const token = await getToken(store, caller.token.tokenId);
      if (token === undefined) throw new Error("the token of this call does not exist");
      return { session: { ...(await sessionTo(caller, token)), acting: caller.isActing } };
    },
  };
}
