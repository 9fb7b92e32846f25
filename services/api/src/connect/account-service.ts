import type { ServiceImpl } from "@connectrpc/connect";
import type { AccountService } from "@posthaste/contracts/account";
import {
  type AccountId,
  type ErasureId,
  type EventKey,
  parsePointer,
  plainText,
  Refusal,
  SCOPES,
  type TokenId,
} from "@posthaste/domain";
import {
  type Account,
  type By,
  createAccount,
  createErasure,
  createToken,
  getAccount,
  getErasure,
  listAccounts,
  listAuditEntries,
  listTokens,
  revokeToken,
  setLane,
  type Token,
} from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { auditEntryTo, auditFilterFrom } from "./audit-entries.ts";
import { byOf } from "./call-values.ts";
import { accountTo, erasureTo, laneFrom, tokenTo } from "./convert.ts";
import { numberPage, partialPage } from "./page.ts";
import { pointInTime } from "./point-in-time.ts";
import { createLink } from "./portal-link.ts";

const NAME_CHARS_MAX = 100;

type AccountParts = Pick<Deps, "store" | "now" | "nudge" | "names" | "limits">;

export function accountService(parts: AccountParts): ServiceImpl<typeof AccountService> {
  const { store, now } = parts;
  const requireAccount = async (id: AccountId) => {
    if ((await getAccount(store, id)) !== undefined) return;
    throw noAccount(id);
  };
  return {
    ...erasureCalls(parts),

    async createAccount(request, context) {
      const name = plainText(request.name, "name", NAME_CHARS_MAX);
      const account = await createAccount(store, { name, now: now(), by: byOf(context) });
      return { account: accountTo(account) };
    },

    async listAccounts(request) {
      const { rows, nextPageToken } = await numberPage<Account>(request, (page) => listAccounts(store, page));
      return { accounts: rows.map(accountTo), nextPageToken };
    },

    async setLane({ accountId, lane }, context) {
      const account = await setLane(store, {
        id: accountId as AccountId,
        lane: laneFrom(lane),
        now: now(),
        by: byOf(context),
      });
      if (account === undefined) throw noAccount(accountId);
      return { account: accountTo(account) };
    },

    async createToken(request, context) {
      const accountId = request.accountId as AccountId;
      await requireAccount(accountId);
      const { token, secret } = await createToken(store, {
        accountId,
        name: plainText(request.name, "name", NAME_CHARS_MAX),
        scopes: SCOPES.filter((scope) => request.scopes.includes(scope)),
        expiresAt: request.expiresAt === undefined ? null : pointInTime(request.expiresAt, "expires_at"),
        now: now(),
        by: byOf(context),
      });
      return { token: tokenTo(token), secret };
    },

    async listTokens(request) {
      const accountId = request.accountId as AccountId;
      await requireAccount(accountId);
      const { rows, nextPageToken } = await numberPage<Token>(request, (page) =>
        listTokens(store, { accountId, ...page }),
      );
      return { tokens: rows.map(tokenTo), nextPageToken };
    },

    async revokeToken(request, context) {
      const token = await revokeToken(store, {
        id: request.id as TokenId,
        now: now(),
        by: byOf(context),
      });
      if (token === undefined)
        throw new Refusal("not_found", `there is no token ${request.id}`, { field: "id" });
      return { token: tokenTo(token) };
    },

    async createPortalLink(request, context) {
      await requireAccount(request.accountId as AccountId);
      return await createLink(parts, request, byOf(context));
    },
  };
}

/** The calls that erase, and that tell what was erased and by whom. */
function erasureCalls({
  store,
  now,
  nudge,
  names,
}: AccountParts): Pick<
  ServiceImpl<typeof AccountService>,
  "eraseAccount" | "eraseEvents" | "getErasure" | "listAuditEntries"
> {
  const erase = async (target: { accountId: AccountId; key: EventKey | null; by: By }) => {
    const erasure = await createErasure(store, { ...target, now: now() });
    nudge();
    return { erasure: erasureTo(erasure, names) };
  };
  return {
    async eraseAccount(request, context) {
      return await erase({ accountId: request.accountId as AccountId, key: null, by: byOf(context) });
    },

    async eraseEvents({ accountId, pointer, value }, context) {
      parsePointer(pointer, "pointer");
      return await erase({
        accountId: accountId as AccountId,
        key: { pointer, value },
        by: byOf(context),
      });
    },

    async getErasure({ id }) {
      const erasure = await getErasure(store, id as ErasureId);
      if (erasure === undefined) throw new Refusal("not_found", `there is no erasure ${id}`, { field: "id" });
      return { erasure: erasureTo(erasure, names) };
    },

    async listAuditEntries(request) {
      const filter = auditFilterFrom(request);
      const { rows, nextPageToken } = await partialPage(request, (limit) =>
        listAuditEntries(store, { ...filter, limit }),
      );
      return { entries: rows.map(auditEntryTo), nextPageToken };
    },
  };
}

export function noAccount(id: number): Refusal {
  return new Refusal("not_found", `there is no account ${id}`, { field: "account_id" });
}
