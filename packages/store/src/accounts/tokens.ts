import { type AccountId, Refusal, SCOPES, type Scope, type TokenId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { CONTRACT_ID_MAX, contractIdOf } from "../database/ids.ts";
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
};

/** The caller of a request. */
export type Principal = {
  readonly tokenId: TokenId;
  readonly accountId: AccountId;
  readonly scopes: readonly Scope[];
};

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
      return await insertToken(tx, secret, input);
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

/** Stores a new token. */
export async function insertToken(
  tx: Tx,
  secret: string,
  input: {
    accountId: AccountId;
    name: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
    now: number;
    /** Whether the token is a session that a portal link opened. */
    isSession?: boolean;
  },
): Promise<Token> {
  const { insertId } = await tx
    .insertInto("tokens")
    .values({
      account_id: input.accountId,
      name: input.name,
      secret_hash: hashOf(secret),
      hint: hintOf(secret),
      scopes: input.scopes.join(" "),
      expires_at: input.expiresAt,
      revoked_at: null,
      created_at: input.now,
      session: input.isSession === true ? 1 : 0,
    })
    .executeTakeFirstOrThrow();
  // A session expires by itself, and no caller names it by its id.
  const id = (input.isSession === true ? Number(insertId) : contractIdOf(insertId)) as TokenId;
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
  return { tokenId: token.id, accountId: token.accountId, scopes: token.scopes };
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
  { id, now }: { id: TokenId; now: number },
): Promise<Token | undefined> {
  await store.db
    .updateTable("tokens")
    .set({ revoked_at: now })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .execute();
  return await getToken(store, id);
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
  };
}
