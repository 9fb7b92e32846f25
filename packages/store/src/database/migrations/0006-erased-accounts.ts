import { type Kysely, sql } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/** Remembers with an account that its erasure was requested, so that nothing is stored for it any more. */
export async function up(db: Kysely<unknown>, { columns: { time } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE accounts ADD COLUMN erased_at ${time}`);
  await sql`
    UPDATE accounts SET erased_at = (
      SELECT MIN(created_at) FROM erasures WHERE erasures.account_id = accounts.id AND pointer IS NULL
    ) WHERE id IN (SELECT account_id FROM erasures WHERE pointer IS NULL)
  `.execute(db);
}
