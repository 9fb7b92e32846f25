import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Lets an operator find the failing subscriptions of all accounts and of one, the longest failing first. An
 * ended one may have failed until its end, so the state comes first.
 */
export async function up(db: Kysely<unknown>, { name }: Pick<Seam, "name">): Promise<void> {
  // SQLite takes "not failing" for a narrow condition, and would search a whole index for it.
  const where = name === "sqlite" ? " WHERE failing_since IS NOT NULL" : "";
  await ensure(db, `CREATE INDEX subscriptions_failing ON subscriptions (state, failing_since, id)${where}`);
  await ensure(
    db,
    `CREATE INDEX subscriptions_failing_by_account
      ON subscriptions (account_id, state, failing_since, id)${where}`,
  );
}
