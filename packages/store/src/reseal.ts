import { contextOf } from "./signing-keys.ts";
import type { Store } from "./store.ts";

const ROWS_AT_ONCE = 500;

/**
 * Seals every secret that an earlier key sealed with the current one, so that the earlier one can be taken away.
 * Services may run meanwhile: a value that changes under it is left to whoever changed it.
 *
 * @returns how many values were sealed anew
 * @throws SealError where a key is missing
 */
export async function resealSecrets(store: Store): Promise<number> {
  return (await resealCredentials(store)) + (await resealSigningKeys(store));
}

async function resealCredentials(store: Store): Promise<number> {
  let resealed = 0;
  for (let after = 0; ; ) {
    const rows = await store.db
      .selectFrom("subscriptions")
      .select(["id", "credential"])
      .where("id", ">", after)
      .where("credential", "is not", null)
      .orderBy("id")
      .limit(ROWS_AT_ONCE)
      .execute();
    for (const { id, credential } of rows) {
      const next = credential && anew(store, credential, contextOf(id, "credential"));
      if (!next) continue;
      await store.db
        .updateTable("subscriptions")
        .set({ credential: next })
        .where("id", "=", id)
        .where("credential", "=", credential)
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
    for (const { id, subscription_id: of, ...sealed } of rows) {
      const secret = anew(store, sealed.secret, contextOf(of, "secret"));
      const privateKey = anew(store, sealed.private_key, contextOf(of, "private_key"));
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

/** Undefined: the current key has sealed it. */
function anew({ sealer }: Store, sealed: Buffer, context: string): Buffer | undefined {
  return sealer.isCurrent(sealed) ? undefined : sealer.seal(sealer.open(sealed, context), context);
}
