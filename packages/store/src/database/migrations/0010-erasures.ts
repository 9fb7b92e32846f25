import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** What was erased for somebody, with a receipt of it. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { serial, int, time, text, bytes, hash, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE erasures (
      id ${serial},
      account_id ${int} NOT NULL,
      pointer ${text(256)},
      sealed_value ${bytes},
      value_hash ${hash},
      state ${text(32)} NOT NULL,
      cursor_id ${text(30)} NOT NULL,
      examined ${time} NOT NULL,
      events ${time} NOT NULL,
      deliveries ${time} NOT NULL,
      attempts ${time} NOT NULL,
      digest ${hash} NOT NULL,
      workflow_at ${time},
      created_at ${time} NOT NULL,
      ended_at ${time}
    ) ${tableEnd}`,
  );
  await ensure(db, "CREATE INDEX erasures_by_state ON erasures (state, workflow_at)");
}
