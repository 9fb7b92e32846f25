import { type Kysely, sql } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** Parking, disabling, and how fast a subscription may be sent to. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { int, time, tableEnd } = columns;
  for (const column of [
    `rate_per_1000s ${int}`,
    `rate_burst ${int}`,
    `concurrency ${int}`,
    `draining ${int} NOT NULL DEFAULT 0`,
    `failing_since ${time}`,
    `exhausted ${int} NOT NULL DEFAULT 0`,
  ]) {
    await ensure(db, `ALTER TABLE subscriptions ADD COLUMN ${column}`);
  }
  await ensure(db, "CREATE INDEX subscriptions_draining ON subscriptions (draining)");
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN turn_at ${time}`);
  await ensure(
    db,
    `CREATE TABLE turns (
      subscription_id ${int} NOT NULL PRIMARY KEY,
      line_us ${time} NOT NULL,
      gate_us ${time} NOT NULL,
      hold_ms ${int} NOT NULL
    ) ${tableEnd}`,
  );
  await ensure(
    db,
    `CREATE TABLE turn_slots (
      subscription_id ${int} NOT NULL,
      slot ${int} NOT NULL,
      taken ${int} NOT NULL,
      PRIMARY KEY (subscription_id, slot)
    ) ${tableEnd}`,
  );
  await sql`
    INSERT INTO turns (subscription_id, line_us, gate_us, hold_ms)
    SELECT id, 0, 0, 0 FROM subscriptions WHERE id NOT IN (SELECT subscription_id FROM turns)
  `.execute(db);
}
