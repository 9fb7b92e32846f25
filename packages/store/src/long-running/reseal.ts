import type { ErasureId, SubscriptionId } from "@posthaste/domain";
import { enter, OF_INSTALLATION } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { KEY_SECRET_CONTEXT } from "../database/key-secret.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";
import { sealContextOf } from "../subscriptions/signing-keys.ts";
import { erasureContext } from "./erasures.ts";

/** Rows read at once. */
const ROWS_AT_ONCE = 500;
/** Rows written in one transaction, which an attempt or a caller may wait for: some ten milliseconds. */
const WRITTEN_AT_ONCE = 50;

type Resealing = { readonly now: number; readonly by?: By };
/** Writes a resealed value; resolves to whether it did: somebody may have changed the value meanwhile. */
type Write = (tx: Tx) => Promise<boolean>;

/**
 * Seals again, with the current key, every secret that an earlier key sealed. The earlier key can then be
 * removed. Services may run meanwhile: a value that changes concurrently keeps its new content.
 *
 * @returns how many values were resealed
 * @throws SealError if a key is missing
 */
export async function resealSecrets(store: Store, resealing: Resealing): Promise<number> {
  return (
    (await resealColumn(store, "credential", resealing)) +
    (await resealColumn(store, "headers", resealing)) +
    (await resealSigningKeys(store, resealing)) +
    (await resealKeySecret(store, resealing)) +
    (await resealErasures(store, resealing))
  );
}

/** Reseals a column of `subscriptions`. */
async function resealColumn(
  store: Store,
  column: "credential" | "headers",
  resealing: Resealing,
): Promise<number> {
  let resealed = 0;
  for (let after = 0 as SubscriptionId; ; ) {
    const rows = await store.db
      .selectFrom("subscriptions")
      .select(["id", `${column} as sealed`])
      .where("id", ">", after)
      .where(column, "is not", null)
      .orderBy("id")
      .limit(ROWS_AT_ONCE)
      .execute();
    const writes = rows.flatMap(({ id, sealed }): Write[] => {
      const next = sealed && sealAgain(store, sealed, sealContextOf(id, column));
      if (!next) return [];
      const write: Write = async (tx) => {
        const update = tx.updateTable("subscriptions").set({ [column]: next });
        return isWritten(await update.where("id", "=", id).where(column, "=", sealed).execute());
      };
      return [write];
    });
    resealed += await writeAll(store, `subscriptions.${column}`, writes, resealing);
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

async function resealSigningKeys(store: Store, resealing: Resealing): Promise<number> {
  let resealed = 0;
  for (let after = 0; ; ) {
    const rows = await store.db
      .selectFrom("signing_keys")
      .select(["id", "subscription_id", "secret", "private_key"])
      .where("id", ">", after)
      .orderBy("id")
      .limit(ROWS_AT_ONCE)
      .execute();
    const writes = rows.flatMap(({ id, subscription_id: subscriptionId, ...sealed }): Write[] => {
      const secret = sealAgain(store, sealed.secret, sealContextOf(subscriptionId, "secret"));
      const privateKey = sealAgain(store, sealed.private_key, sealContextOf(subscriptionId, "private_key"));
      if (secret === undefined && privateKey === undefined) return [];
      const next = { secret: secret ?? sealed.secret, private_key: privateKey ?? sealed.private_key };
      const write: Write = async (tx) =>
        isWritten(await tx.updateTable("signing_keys").set(next).where("id", "=", id).execute());
      return [write];
    });
    resealed += await writeAll(store, "signing_keys", writes, resealing);
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

/** Reseals the secret of the hashes of sensitive values. */
async function resealKeySecret(store: Store, resealing: Resealing): Promise<number> {
  const { key_secret: sealed } = await store.db
    .selectFrom("installation")
    .select("key_secret")
    .executeTakeFirstOrThrow();
  const next = sealed && sealAgain(store, sealed, KEY_SECRET_CONTEXT);
  if (!next) return 0;
  const write: Write = async (tx) => {
    const update = tx.updateTable("installation").set({ key_secret: next });
    return isWritten(await update.where("key_secret", "=", sealed).execute());
  };
  return await writeAll(store, "installation.key_secret", [write], resealing);
}

/** Only running erasures have a sealed value. */
async function resealErasures(store: Store, resealing: Resealing): Promise<number> {
  let resealed = 0;
  for (let after = 0 as ErasureId; ; ) {
    const rows = await store.db
      .selectFrom("erasures")
      .select(["id", "sealed_value as sealed"])
      .where("id", ">", after)
      .where("state", "=", "running")
      .where("sealed_value", "is not", null)
      .orderBy("id")
      .limit(ROWS_AT_ONCE)
      .execute();
    const writes = rows.flatMap(({ id, sealed }): Write[] => {
      const next = sealed && sealAgain(store, sealed, erasureContext(id));
      if (!next) return [];
      const write: Write = async (tx) => {
        const update = tx.updateTable("erasures").set({ sealed_value: next }).where("id", "=", id);
        // An erasure that has completed since keeps no value.
        return isWritten(await update.where("sealed_value", "=", sealed).execute());
      };
      return [write];
    });
    resealed += await writeAll(store, "erasures", writes, resealing);
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

/** Writes resealed values, some in each transaction, with an entry in the audit log that counts them. */
async function writeAll(
  store: Store,
  of: string,
  writes: readonly Write[],
  { now, by = BY_PROGRAM }: Resealing,
): Promise<number> {
  let resealed = 0;
  for (let from = 0; from < writes.length; from += WRITTEN_AT_ONCE) {
    resealed += await transact(store, async (tx) => {
      let written = 0;
      for (const write of writes.slice(from, from + WRITTEN_AT_ONCE)) written += (await write(tx)) ? 1 : 0;
      if (written === 0) return 0;
      const entry = { accountId: OF_INSTALLATION, subject: "installation", id: "secrets" } as const;
      await enter(tx, [{ by, ...entry, after: { resealed: written, of }, now }]);
      return written;
    });
  }
  return resealed;
}

function isWritten([result]: readonly { readonly numUpdatedRows: bigint }[]): boolean {
  return (result?.numUpdatedRows ?? 0n) > 0n;
}

/** Seals a value with the current key; undefined: the current key has already sealed it. */
function sealAgain({ sealer }: Store, sealed: Buffer, context: string): Buffer | undefined {
  return sealer.isCurrent(sealed) ? undefined : sealer.seal(sealer.open(sealed, context), context);
}
