import { type AccountId, DAY_MS, SCOPES, type Scope, type SessionTheme } from "@posthaste/domain";
import { sql } from "kysely";
import { auditedTime, enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { deleteFirst } from "../database/delete-first.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockAccount, namesErased } from "./lock-account.ts";
import { hashOf, newTokenSecret } from "./token-secret.ts";
import { insertToken, type Token } from "./tokens.ts";

/**
 * How long an expired session is kept. A platform creates a link whenever its customer asks for the console,
 * and many links are never opened.
 */
const SESSIONS_KEPT_MS = DAY_MS;
/** Deleted with each new link: more than one, so that they become fewer however many there are. */
const EXPIRED_AT_ONCE = 100;
const CODE_PREFIX = "phl_";

/**
 * Creates a link: a one-time code that opens a session of the account. Also deletes some of the account's
 * expired links, and of its sessions that expired a day ago.
 *
 * @returns the code. Only its hash is stored, so it cannot be shown again
 * @throws Refusal `wrong_state` if the account's erasure has been requested
 */
export async function createPortalLink(
  store: Store,
  input: {
    accountId: AccountId;
    scopes: readonly Scope[];
    expiresAt: number;
    /** How long the session lasts. */
    sessionMs: number;
    /** The theme of the session. Default: its reader chooses. */
    theme?: SessionTheme;
    now: number;
    by?: By;
  },
): Promise<string> {
  const { accountId, scopes, expiresAt, sessionMs, theme = null, now, by = BY_PROGRAM } = input;
  // As hard to guess as a token, but recognizable as a link's code.
  const code = newTokenSecret().replace(/^pht_/, CODE_PREFIX);
  await transact(store, async (tx) => {
    await lockAccount(store, tx, accountId, namesErased);
    await deleteExpired(store, tx, accountId, now);
    const { insertId } = await tx
      .insertInto("portal_links")
      .values({
        account_id: accountId,
        code_hash: hashOf(code),
        scopes: scopes.join(" "),
        session_ms: sessionMs,
        theme,
        expires_at: expiresAt,
        created_at: now,
      })
      .executeTakeFirstOrThrow();
    const after = { scopes, expires_at: auditedTime(expiresAt), session_ms: sessionMs, theme };
    const link = { subject: "portal_link", id: Number(insertId) } as const;
    await enter(tx, [{ by, accountId, ...link, after, now }]);
  });
  return code;
}

async function deleteExpired(store: Store, tx: Tx, accountId: AccountId, now: number): Promise<void> {
  const limit = EXPIRED_AT_ONCE;
  const expired = sql`account_id = ${accountId} and expires_at <= ${now}`;
  await deleteFirst(store, tx, { table: "portal_links", where: expired, orderBy: "expires_at", limit });
  const old = sql`account_id = ${accountId} and session = 1 and expires_at <= ${now - SESSIONS_KEPT_MS}`;
  await deleteFirst(store, tx, { table: "tokens", where: old, orderBy: "id", limit });
}

/**
 * Exchanges a code for a session, once.
 *
 * @returns undefined if the code is unknown, was used, or has expired
 */
export async function openPortalLink(
  store: Store,
  { code, now, by = BY_PROGRAM }: { code: string; now: number; by?: By },
): Promise<{ token: Token; secret: string } | undefined> {
  const codeHash = hashOf(code);
  // Anybody may guess. A guess takes no transaction and no lock.
  const link = await store.db
    .selectFrom("portal_links")
    .selectAll()
    .where("code_hash", "=", codeHash)
    .executeTakeFirst();
  if (link === undefined || link.expires_at <= now) return undefined;
  return await transact(store, async (tx) => {
    // A link does not change. If two callers use its code at once, only one deletes the row.
    const { numDeletedRows } = await tx
      .deleteFrom("portal_links")
      .where("code_hash", "=", codeHash)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) return undefined;
    const secret = newTokenSecret();
    const scopes = link.scopes.split(" ");
    const token = await insertToken(tx, secret, {
      accountId: link.account_id,
      name: "portal session",
      scopes: SCOPES.filter((scope) => scopes.includes(scope)),
      expiresAt: now + link.session_ms,
      openedBy: link,
      by,
      now,
    });
    return { token, secret };
  });
}
