import {
  type AccountId,
  Refusal,
  SCOPES,
  type Scope,
  type SessionTheme,
  type TokenId,
} from "@posthaste/domain";
import type { Selectable } from "kysely";
import { auditedTime, enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By, type TokenActor } from "../audit/by.ts";
import { CONTRACT_ID_MAX, contractIdOf } from "../database/ids.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockAccount, namesErased } from "./lock-account.ts";
import { hashOf, hintOf, newTokenSecret } from "./token-secret.ts";

/** A credential of an account, without its secret. */
export type Token = {
  readonly id: TokenId;
  readonly accountId: AccountId;
  readonly name: string;
  /** The secret's first characters. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly createdAt: number;
  /** What a portal link gave its session; null for any other token. */
  readonly session: { readonly theme: SessionTheme } | null;
};

/** The caller of a request. */
export type Principal = TokenActor & { readonly scopes: readonly Scope[] };

/** A preset secret shorter than this could be guessed. */
const PRESET_SECRET_CHARS_MIN = 20;
const PRESET_SECRET_CHARS_MAX = 255;

/**
 * Creates a token. This is the only time that its secret is shown.
 *
 * @param input.secret presets the secret: 20 to 255 printable ASCII characters. If it is already stored, the
 *   existing token is returned
 * @throws Refusal `invalid` if a preset secret has another form, `wrong_state` if the account's erasure has
 *   been requested
 */
export async function createToken(
  store: Store,
  input: {
    accountId: AccountId;
    name: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
    now: number;
    secret?: string;
    by?: By;
  },
): Promise<{ token: Token; secret: string }> {
  const secret = input.secret ?? newTokenSecret();
  if (input.secret !== undefined) {
    requirePresetForm(input.secret);
    const existing = await findBySecret(store, secret);
    if (existing !== undefined) return { token: existing, secret };
  }
  try {
    const token = await transact(store, async (tx) => {
      await lockAccount(store, tx, input.accountId, namesErased);
      return await insertToken(tx, secret, { by: BY_PROGRAM, ...input });
    });
    return { token, secret };
  } catch (error) {
    if (!store.seam.isDuplicate(error)) throw error;
    // Another caller has just stored the same preset secret.
    const existing = await findBySecret(store, secret);
    if (existing === undefined) throw error;
    return { token: existing, secret };
  }
}

/** Stores a new token, and enters it in the audit log. */
export async function insertToken(
  tx: Tx,
  secret: string,
  input: {
    accountId: AccountId;
    name: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
    now: number;
    by: By;
    /** The portal link whose session the token is. Default: it is none. */
    openedBy?: { id: number; theme: SessionTheme };
  },
): Promise<Token> {
  const { accountId, name, scopes, expiresAt, openedBy, by, now } = input;
  const { insertId } = await tx
    .insertInto("tokens")
    .values({
      account_id: accountId,
      name,
      secret_hash: hashOf(secret),
      hint: hintOf(secret),
      scopes: scopes.join(" "),
      expires_at: expiresAt,
      revoked_at: null,
      created_at: now,
      session: openedBy === undefined ? 0 : 1,
      theme: openedBy?.theme ?? null,
    })
    .executeTakeFirstOrThrow();
  // A session expires by itself, and no caller names it by its id.
  const id = (openedBy === undefined ? contractIdOf(insertId) : Number(insertId)) as TokenId;
  const after = { name, scopes, expires_at: auditedTime(expiresAt), portal_link: openedBy?.id };
  await enter(tx, [{ by, accountId, subject: "token", id, after, now }]);
  const row = await tx.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  return tokenOf(row);
}

/**
 * Returns the caller that holds this secret; undefined if the secret is unknown, or its token was revoked or
 * has expired.
 */
export async function authenticate(
  store: Store,
  secret: string,
  now: number,
): Promise<Principal | undefined> {
  const token = await findBySecret(store, secret);
  if (token === undefined || token.revokedAt !== null) return undefined;
  if (token.expiresAt !== null && token.expiresAt <= now) return undefined;
  const { id: tokenId, accountId, name, hint, scopes } = token;
  return { tokenId, accountId, name, hint, scopes };
}

export async function getToken(store: Store, id: TokenId): Promise<Token | undefined> {
  const row = await store.db.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirst();
  return row && tokenOf(row);
}

/**
 * Returns an account's tokens after `after`, oldest first. Leaves out sessions with an id too large for an
 * answer.
 */
export async function listTokens(
  store: Store,
  { accountId, after = 0 as TokenId, limit }: { accountId: AccountId; after?: TokenId; limit: number },
): Promise<Token[]> {
  const rows = await store.db
    .selectFrom("tokens")
    .selectAll()
    .where("account_id", "=", accountId)
    .where("id", ">", after)
    .where("id", "<=", CONTRACT_ID_MAX as TokenId)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map(tokenOf);
}

/**
 * Revokes a token. A token that was revoked before keeps its time.
 *
 * @returns the token; undefined: not found
 */
export async function revokeToken(
  store: Store,
  { id, now, by = BY_PROGRAM }: { id: TokenId; now: number; by?: By },
): Promise<Token | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("tokens").selectAll().where("id", "=", id);
    const row = await lockRows(store, query).executeTakeFirst();
    if (row === undefined || row.revoked_at !== null) return row && tokenOf(row);
    await tx.updateTable("tokens").set({ revoked_at: now }).where("id", "=", id).execute();
    const after = { revoked_at: auditedTime(now) };
    await enter(tx, [{ by, accountId: row.account_id, subject: "token", id, after, now }]);
    return tokenOf({ ...row, revoked_at: now });
  });
}

async function findBySecret(store: Store, secret: string): Promise<Token | undefined> {
  const row = await store.db
    .selectFrom("tokens")
    .selectAll()
    .where("secret_hash", "=", hashOf(secret))
    .executeTakeFirst();
  return row && tokenOf(row);
}

/** @throws Refusal if a secret that the caller chose has another form than a token's */
export function requirePresetForm(secret: string): void {
  if (
    secret.length < PRESET_SECRET_CHARS_MIN ||
    secret.length > PRESET_SECRET_CHARS_MAX ||
    !/^[!-~]+$/.test(secret)
  ) {
    throw new Refusal(
      "invalid",
      `a preset token must have ${PRESET_SECRET_CHARS_MIN} to ${PRESET_SECRET_CHARS_MAX} printable ASCII characters and no spaces`,
    );
  }
}

function tokenOf(row: Selectable<Tables["tokens"]>): Token {
  const scopes = row.scopes.split(" ");
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    hint: row.hint,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    createdAt: row.created_at,
    session: row.session === 1 ? { theme: row.theme } : null,
  };
}
