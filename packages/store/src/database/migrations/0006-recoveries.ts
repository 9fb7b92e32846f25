import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** Recoveries and replays, and the way through an account's events that replays need. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE recoveries (
      id ${serial},
      account_id ${int} NOT NULL,
      kind ${text(32)} NOT NULL,
      subscription_id ${int},
      state ${text(32)} NOT NULL,
      since_at ${time} NOT NULL,
      until_at ${time} NOT NULL,
      dry_run ${int} NOT NULL,
      rate_per_second ${int} NOT NULL,
      cursor_id ${text(30)} NOT NULL,
      examined ${time} NOT NULL,
      made ${time} NOT NULL,
      left_out ${time} NOT NULL,
      parked ${time} NOT NULL,
      workflow_at ${time},
      created_at ${time} NOT NULL,
      ended_at ${time}
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE INDEX recoveries_by_account ON recoveries (account_id, id)");
  await ensure(db, "CREATE INDEX recoveries_by_state ON recoveries (state, workflow_at)");
  await ensure(db, "CREATE INDEX events_by_account ON events (account_id, id)");
}
