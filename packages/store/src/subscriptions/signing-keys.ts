import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type AccountId, Refusal, type SubscriptionId } from "@posthaste/domain";
import type { Sealer } from "../database/sealer.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { lockSubscription } from "./lock-subscription.ts";

/** What deliveries of a subscription are signed with: a shared secret, and a key pair for those who share none. */
export type SigningKey = {
  /** `whsec_` and Base64: signs `v1`, on both sides. */
  readonly secret: string;
  /** `whpk_` and Base64: verifies `v1a`. */
  readonly publicKey: string;
  readonly createdAt: number;
  /** Null: the current one. */
  readonly expiresAt: number | null;
};

/** A public half, for everyone. */
export type PublicKey = Pick<SigningKey, "publicKey" | "createdAt" | "expiresAt">;

/** What the specification recommends at most is 64 bytes; 32 are as strong as the hash. */
const SECRET_BYTES = 32;
const KEY_SET_BYTES = 16;
/** Signatures in one header; a rotation that would need more has to wait, or to end the others at once. */
export const LIVE_SIGNING_KEYS_MAX = 3;

/** Names a subscription's public keys to those who have no token: too long to be guessed or counted through. */
export function newKeySet(): string {
  return randomBytes(KEY_SET_BYTES).toString("base64url");
}

/** Gives a subscription a new key, within the transaction that holds its row. */
export async function addSigningKey(
  tx: Pick<Tx, "insertInto">,
  sealer: Sealer,
  { accountId, subscriptionId }: { accountId: AccountId; subscriptionId: SubscriptionId },
  now: number,
): Promise<SigningKey> {
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString("base64")}`;
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const publicKey = `whpk_${base64(x)}`;
  await tx
    .insertInto("signing_keys")
    .values({
      subscription_id: subscriptionId,
      account_id: accountId,
      secret: sealer.seal(secret, sealContextOf(subscriptionId, "secret")),
      private_key: sealer.seal(`whsk_${base64(d)}`, sealContextOf(subscriptionId, "private_key")),
      public_key: publicKey,
      created_at: now,
      expires_at: null,
    })
    .execute();
  return { secret, publicKey, createdAt: now, expiresAt: null };
}

/**
 * Gives a subscription a new signing key. The one before signs too until `overlapMs` are over; with 0, all earlier
 * ones end at once. Undefined: there is no such subscription.
 *
 * @throws Refusal `wrong_state` for an ended one, or while too many are live
 */
export async function rotateSigningKey(
  store: Store,
  input: { accountId: AccountId; id: SubscriptionId; overlapMs: number; now: number },
): Promise<SigningKey | undefined> {
  const { accountId, id, overlapMs, now } = input;
  return await transact(store, async (tx) => {
    const subscription = await lockSubscription(store, tx, accountId, id);
    if (subscription === undefined) return undefined;
    if (subscription.state === "ended") {
      throw new Refusal("wrong_state", `subscription ${id} has ended; create a new one`, { field: "id" });
    }
    await tx
      .deleteFrom("signing_keys")
      .where("subscription_id", "=", id)
      .where("expires_at", "<=", now)
      .execute();
    const expiries = await liveExpiries(tx, id);
    if (overlapMs > 0 && expiries.length >= LIVE_SIGNING_KEYS_MAX) {
      const soonest = Math.min(...expiries.filter((at) => at !== null));
      throw new Refusal(
        "wrong_state",
        `${expiries.length} secrets are live; wait until ${new Date(soonest).toISOString()}, or rotate with an overlap of 0`,
        { field: "overlap" },
      );
    }
    if (overlapMs === 0) await tx.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
    else {
      await tx
        .updateTable("signing_keys")
        .set({ expires_at: now + overlapMs })
        .where("subscription_id", "=", id)
        .where("expires_at", "is", null)
        .execute();
    }
    await tx.updateTable("subscriptions").set({ updated_at: now }).where("id", "=", id).execute();
    return await addSigningKey(tx, store.sealer, { accountId, subscriptionId: id }, now);
  });
}

/** The live ones, newest first, secrets included. Undefined: there is no such subscription. */
export async function listSigningKeys(
  store: Store,
  { accountId, id, now }: { accountId: AccountId; id: SubscriptionId; now: number },
): Promise<SigningKey[] | undefined> {
  const known = await store.db
    .selectFrom("subscriptions")
    .select("id")
    .where("id", "=", id)
    .where("account_id", "=", accountId)
    .executeTakeFirst();
  if (known === undefined) return undefined;
  const rows = await liveKeys(store, [id], now);
  return rows.map((row) => ({
    secret: store.sealer.open(row.secret, sealContextOf(id, "secret")),
    publicKey: row.public_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/** What deliveries of these subscriptions are signed with now: `whsec_…` and `whsk_…` of each live key, newest first. */
export async function signingKeysFor(
  store: Store,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<Map<SubscriptionId, string[]>> {
  const keys = new Map<SubscriptionId, string[]>();
  for (const row of await liveKeys(store, ids, now)) {
    const id = row.subscription_id;
    const of = keys.get(id) ?? [];
    of.push(
      store.sealer.open(row.secret, sealContextOf(id, "secret")),
      store.sealer.open(row.private_key, sealContextOf(id, "private_key")),
    );
    keys.set(id, of);
  }
  return keys;
}

/** The public halves of a subscription's live keys, newest first. Undefined: no live subscription has this key set. */
export async function listPublicKeys(
  store: Store,
  { keySet, now }: { keySet: string; now: number },
): Promise<PublicKey[] | undefined> {
  const subscription = await store.db
    .selectFrom("subscriptions")
    .select("id")
    .where("key_set", "=", keySet)
    .where("state", "!=", "ended")
    .executeTakeFirst();
  if (subscription === undefined) return undefined;
  const rows = await liveKeys(store, [subscription.id as SubscriptionId], now);
  return rows.map((row) => ({
    publicKey: row.public_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/**
 * Opens the secret that was sealed last: with wrong keys, every attempt would fail, so a service looks at its start.
 *
 * @throws SealError
 */
export async function openNewestSecret(store: Store): Promise<void> {
  const row = await store.db
    .selectFrom("signing_keys")
    .select(["subscription_id", "secret"])
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (row !== undefined) store.sealer.open(row.secret, sealContextOf(row.subscription_id, "secret"));
}

async function liveKeys(store: Store, ids: readonly SubscriptionId[], now: number) {
  return await store.db
    .selectFrom("signing_keys")
    .selectAll()
    .where("subscription_id", "in", ids)
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", now)]))
    .orderBy("id", "desc")
    .execute();
}

async function liveExpiries(tx: Tx, id: SubscriptionId): Promise<(number | null)[]> {
  const rows = await tx
    .selectFrom("signing_keys")
    .select("expires_at")
    .where("subscription_id", "=", id)
    .execute();
  return rows.map((row) => row.expires_at);
}

/** What a sealed value belongs to; part of what is authenticated. */
export function sealContextOf(
  id: SubscriptionId,
  of: "secret" | "private_key" | "credential" | "headers",
): string {
  return `subscription/${id}/${of}`;
}

function base64(base64url: string): string {
  return Buffer.from(base64url, "base64url").toString("base64");
}
