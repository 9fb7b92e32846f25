import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/** Length of `evt_` and a ULID. */
const ID_CHARS = 30;

/**
 * Lets events be found by their type, and by the values of their keys. Columns are added without touching a
 * row. Events from before have no keys, and event types have none until they get some.
 *
 * The index reads its table once, which takes seconds for a million events. MySQL builds it while the table
 * is written to.
 */
export async function up(db: Kysely<unknown>, { columns }: Pick<Seam, "columns">): Promise<void> {
  const { long, text, longText, bytes, halfHash, clusteredTableEnd } = columns;
  await ensure(db, `ALTER TABLE installation ADD COLUMN key_secret ${bytes}`);
  await ensure(db, `ALTER TABLE event_types ADD COLUMN keys_json ${longText}`);
  await ensure(db, `ALTER TABLE event_type_versions ADD COLUMN keys_json ${longText}`);
  await ensure(
    db,
    `CREATE TABLE event_keys (
      account_id ${long} NOT NULL,
      value_hash ${halfHash} NOT NULL,
      event_id ${text(ID_CHARS)} NOT NULL,
      PRIMARY KEY (account_id, value_hash, event_id)
    ) ${clusteredTableEnd}`,
  );
  await ensure(db, "CREATE INDEX event_keys_by_event ON event_keys (event_id)");
  await ensure(db, "CREATE INDEX events_by_type ON events (account_id, event_type, id)");
}
