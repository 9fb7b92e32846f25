import { randomBytes } from "node:crypto";
import { asOne } from "@posthaste/runtime";
import type { Kysely } from "kysely";
import type { Sealer } from "./sealer.ts";
import type { Tables } from "./tables.ts";

/** The table's only row. */
const ROW = 1;
const SECRET_BYTES = 32;
/** The seal context of the secret. */
export const KEY_SECRET_CONTEXT = "key secret";

/**
 * Returns what reads the secret of the installation's hashes of sensitive values, and makes it if there is
 * none. It never changes, or events from before would not be found any more: rotating the sealing keys seals
 * it again. What it returns is kept in memory.
 */
export function createKeySecret({
  db,
  sealer,
}: {
  db: Kysely<Tables>;
  sealer: Sealer;
}): () => Promise<Buffer> {
  const read = async () => {
    const row = await db
      .selectFrom("installation")
      .select("key_secret")
      .where("id", "=", ROW)
      .executeTakeFirstOrThrow();
    return row.key_secret;
  };
  const make = async () => {
    const sealed = sealer.seal(randomBytes(SECRET_BYTES).toString("base64"), KEY_SECRET_CONTEXT);
    // Another process may be making one, too: the first is everybody's.
    await db
      .updateTable("installation")
      .set({ key_secret: sealed })
      .where("id", "=", ROW)
      .where("key_secret", "is", null)
      .execute();
    return await read();
  };
  let secret: Buffer | undefined;
  return asOne(async () => {
    if (secret !== undefined) return secret;
    const sealed = (await read()) ?? (await make());
    if (sealed === null) throw new Error("the installation has no row");
    secret = Buffer.from(sealer.open(sealed, KEY_SECRET_CONTEXT), "base64");
    return secret;
  });
}
