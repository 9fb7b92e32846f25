import { type Kysely, sql } from "kysely";
import { addSigningKey, contextOf, newKeySet } from "../../subscriptions/signing-keys.ts";
import type { Tables } from "../tables.ts";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/**
 * Signing keys, and secrets sealed: what was a plain text in `subscriptions.secret` becomes the sealed `credential`.
 * MySQL commits each change of a table at once, so every step may find itself done before a crash.
 */
export async function up(db: Kysely<unknown>, { columns, sealer, now }: MigrationContext): Promise<void> {
  const { serial, int, time, text, bytes, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE signing_keys (
      id ${serial},
      subscription_id ${int} NOT NULL,
      secret ${bytes} NOT NULL,
      private_key ${bytes} NOT NULL,
      public_key ${text(64)} NOT NULL,
      created_at ${time} NOT NULL,
      expires_at ${time}
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE INDEX signing_keys_of ON signing_keys (subscription_id, id)");
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN credential ${bytes}`);
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN key_set ${text(32)}`);
  await ensure(db, "CREATE UNIQUE INDEX subscriptions_by_key_set ON subscriptions (key_set)");
  await fill(db as Kysely<Before>);
  // The last step, so a run that comes this far has done everything.
  await sql.raw("ALTER TABLE subscriptions DROP COLUMN secret").execute(db);

  /** A row has been done once it has its key set. */
  async function fill(of: Kysely<Before>): Promise<void> {
    const rows = await of.selectFrom("subscriptions").selectAll().where("key_set", "is", null).execute();
    for (const { id, state, secret } of rows) {
      const ended = state === "ended";
      await of.deleteFrom("signing_keys").where("subscription_id", "=", id).execute();
      if (!ended) await addSigningKey(of as unknown as Kysely<Tables>, sealer, id as never, now);
      const credential = ended || secret === null ? null : sealer.seal(secret, contextOf(id, "credential"));
      await of
        .updateTable("subscriptions")
        .set({ credential, key_set: newKeySet() })
        .where("id", "=", id)
        .execute();
    }
  }
}

/** The tables while this migration is under way. */
type Before = {
  subscriptions: {
    id: number;
    state: string;
    secret: string | null;
    credential: Buffer | null;
    key_set: string | null;
  };
  signing_keys: { subscription_id: number };
};
