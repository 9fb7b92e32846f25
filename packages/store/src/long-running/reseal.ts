import type { ErasureId, SubscriptionId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";
import { sealContextOf } from "../subscriptions/signing-keys.ts";
import { erasureContext } from "./erasures.ts";

const ROWS_AT_ONCE = 500;

/**
 * Seals again, with the current key, every secret that an earlier key sealed. The earlier key can then be
 * removed. Services may run meanwhile: a value that changes concurrently keeps its new content.
 *
 * @returns how many values were resealed
 * @throws SealError if a key is missing
 */
export async function resealSecrets(store: Store): Promise<number> {
  const columns = (await resealColumn(store, "credential")) + (await resealColumn(store, "headers"));
  return columns + (await resealSigningKeys(store)) + (await resealErasures(store));
}

/** Reseals a column of `subscriptions`. */
async function resealColumn(store: Store, column: "credential" | "headers"): Promise<number> {
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
    for (const { id, sealed } of rows) {
      const next = sealed && sealAgain(store, sealed, sealContextOf(id, column));
      if (!next) continue;
      await store.db
        .updateTable("subscriptions")
        .set({ [column]: next })
        .where("id", "=", id)
        .where(column, "=", sealed)
        .execute();
      resealed += 1;
    }
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

async function resealSigningKeys(store: Store): Promise<number> {
  let resealed = 0;
  for (let after = 0; ; ) {
    const rows = await store.db
      .selectFrom("signing_keys")
      .select(["id", "subscription_id", "secret", "private_key"])
      .where("id", ">", after)
      .orderBy("id")
      .limit(ROWS_AT_ONCE)
      .execute();
    for (const { id, subscription_id: subscriptionId, ...sealed } of rows) {
      const secret = sealAgain(store, sealed.secret, sealContextOf(subscriptionId, "secret"));
      const privateKey = sealAgain(store, sealed.private_key, sealContextOf(subscriptionId, "private_key"));
      if (secret === undefined && privateKey === undefined) continue;
      await store.db
        .updateTable("signing_keys")
        .set({ secret: secret ?? sealed.secret, private_key: privateKey ?? sealed.private_key })
        .where("id", "=", id)
        .execute();
      resealed += 1;
    }
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

/** Only running erasures have a sealed value. */
async function resealErasures(store: Store): Promise<number> {
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
    for (const { id, sealed } of rows) {
      const next = sealed && sealAgain(store, sealed, erasureContext(id));
      if (!next) continue;
      await store.db
        .updateTable("erasures")
        .set({ sealed_value: next })
        .where("id", "=", id)
        // An erasure that has completed since keeps no value.
        .where("sealed_value", "=", sealed)
        .execute();
      resealed += 1;
    }
    if (rows.length < ROWS_AT_ONCE) return resealed;
    after = rows.at(-1)?.id ?? after;
  }
}

/** Seals a value with the current key; undefined: the current key has already sealed it. */
function sealAgain({ sealer }: Store, sealed: Buffer, context: string): Buffer | undefined {
  return sealer.isCurrent(sealed) ? undefined : sealer.seal(sealer.open(sealed, context), context);
}
