import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type AccountId, Refusal, type SubscriptionId } from "@posthaste/domain";
import { enter, enterDisclosure, SECRET } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import type { Sealer } from "../database/sealer.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { hasEnded, lockSubscription } from "./lock-subscription.ts";

/**
 * A key that signs the deliveries of a subscription: a shared secret, and a key pair for receivers that share
 * no secret.
 */
export type SigningKey = {
  /** `whsec_` and Base64: signs and verifies `v1`. */
  readonly secret: string;
  /** `whpk_` and Base64: verifies `v1a`. */
  readonly publicKey: string;
  readonly createdAt: number;
  /** Null: the current key. */
  readonly expiresAt: number | null;
};

/** The public half of a key, for everyone. */
export type PublicKey = Pick<SigningKey, "publicKey" | "createdAt" | "expiresAt">;

/** The specification recommends at most 64 bytes; 32 are as strong as the hash. */
const SECRET_BYTES = 32;
const KEY_SET_BYTES = 16;
/**
 * Maximum live keys, since every delivery carries a signature of each in one header. A rotation beyond this
 * has to wait, or to end the earlier keys at once.
 */
export const LIVE_SIGNING_KEYS_MAX = 3;

/**
 * Returns a new name for a subscription's public keys, for callers without a token. It is too long to be
 * guessed or enumerated.
 */
export function newKeySet(): string {
  return randomBytes(KEY_SET_BYTES).toString("base64url");
}

/** Adds a new key to a subscription whose row the transaction holds. */
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
 * Creates a new signing key for a subscription. The previous key signs too until `overlapMs` have passed;
 * with 0, all earlier keys end at once.
 *
 * @returns undefined: not found
 * @throws Refusal `wrong_state` if the subscription has ended, or while too many keys are live
 */
export async function rotateSigningKey(
  store: Store,
  input: { accountId: AccountId; id: SubscriptionId; overlapMs: number; now: number; by?: By },
): Promise<SigningKey | undefined> {
  const { accountId, id, overlapMs, now, by = BY_PROGRAM } = input;
  return await transact(store, async (tx) => {
    const subscription = await lockSubscription(store, tx, accountId, id);
    if (subscription === undefined) return undefined;
    if (subscription.state === "ended") {
      throw hasEnded(id, "id");
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
    const after = { signing_key: SECRET.changed, overlap_ms: overlapMs };
    await enter(tx, [{ by, accountId, subject: "subscription", id, after, now }]);
    return await addSigningKey(tx, store.sealer, { accountId, subscriptionId: id }, now);
  });
}

/**
 * Returns the live keys, newest first, including their secrets. That they were shown is in the audit log.
 *
 * @returns undefined: no such subscription
 */
export async function listSigningKeys(
  store: Store,
  { accountId, id, now, by = BY_PROGRAM }: { accountId: AccountId; id: SubscriptionId; now: number; by?: By },
): Promise<SigningKey[] | undefined> {
  // Before they are read: none is shown without an entry.
  const known = await transact(store, async (tx) => {
    if ((await lockSubscription(store, tx, accountId, id)) === undefined) return false;
    await enterDisclosure(tx, { by, accountId, subject: "subscription", id, now });
    return true;
  });
  if (!known) return undefined;
  const rows = await liveKeys(store, [id], now);
  return rows.map((row) => ({
    secret: store.sealer.open(row.secret, sealContextOf(id, "secret")),
    publicKey: row.public_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/** A signing key as it is stored. */
export type SealedSigningKey = { readonly secret: Buffer; readonly private_key: Buffer };

/** Returns the keys that sign deliveries of these subscriptions now, newest first. */
export async function signingKeysFor(
  store: Store,
  ids: readonly SubscriptionId[],
  now: number,
): Promise<Map<SubscriptionId, SealedSigningKey[]>> {
  return Map.groupBy(await liveKeys(store, ids, now), (row) => row.subscription_id);
}

/**
 * Opens a subscription's keys.
 *
 * @returns `whsec_…` and `whsk_…` of each
 * @throws SealError
 */
export function openSigningKeys(
  { sealer }: Store,
  id: SubscriptionId,
  keys: readonly SealedSigningKey[],
): string[] {
  return keys.flatMap((key) => [
    sealer.open(key.secret, sealContextOf(id, "secret")),
    sealer.open(key.private_key, sealContextOf(id, "private_key")),
  ]);
}

/**
 * Returns the public halves of a subscription's live keys, newest first.
 *
 * @returns undefined: no live subscription has this key set
 */
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
  const rows = await liveKeys(store, [subscription.id], now);
  return rows.map((row) => ({
    publicKey: row.public_key,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }));
}

/**
 * Opens the most recently sealed secret. A service calls this at its start, because with wrong keys every
 * attempt would fail.
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

/** Returns the context of a sealed value, which the seal authenticates. */
export function sealContextOf(
  id: SubscriptionId,
  purpose: "secret" | "private_key" | "credential" | "headers",
): string {
  return `subscription/${id}/${purpose}`;
}

function base64(base64url: string): string {
  return Buffer.from(base64url, "base64url").toString("base64");
}
