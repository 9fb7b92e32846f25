import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/** The length of `aud_` and a ULID. */
const ID_CHARS = 30;
/** The longest word of the closed vocabulary, with room. */
const WORD_CHARS = 32;
/** The longest full name of an RPC, with room. */
const ACTION_CHARS = 100;
/** The longest id of a thing: the code of an event type. */
const SUBJECT_ID_CHARS = 64;

/**
 * Adds the audit log. The table is new, so no row is touched. Each index holds the entries of one filter in
 * the order of their ids, which is that of their times.
 */
export async function up(
  db: Kysely<unknown>,
  { columns: { long, longText, time, text, tableEnd } }: Pick<Seam, "columns">,
): Promise<void> {
  await ensure(
    db,
    `CREATE TABLE audit_entries (
      id ${text(ID_CHARS)} NOT NULL PRIMARY KEY,
      account_id ${long} NOT NULL,
      actor ${text(WORD_CHARS)} NOT NULL,
      actor_account_id ${long},
      token_id ${long},
      token_name ${text(100)},
      token_hint ${text(16)},
      action ${text(ACTION_CHARS)} NOT NULL,
      subject ${text(WORD_CHARS)} NOT NULL,
      subject_id ${text(SUBJECT_ID_CHARS)} NOT NULL,
      before_json ${longText},
      after_json ${longText},
      created_at ${time} NOT NULL
    ) ${tableEnd}`,
  );
  for (const [index, columns] of Object.entries(INDEXES)) {
    await ensure(db, `CREATE INDEX audit_entries_${index} ON audit_entries (${columns}, id)`);
  }
}

const INDEXES = {
  by_account: "account_id",
  by_subject: "subject, subject_id",
  by_token: "token_id",
  by_action: "action",
};
