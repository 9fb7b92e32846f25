import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/** A delivery's id: `dlv_` and a ULID. */
const ID_CHARS = 30;

/**
 * Lets a recovery choose its deliveries and say why it left some out, and links a delivery with the recovery
 * and the delivery that it comes from. The columns are added without touching a row. They are empty for what
 * is older.
 */
export async function up(
  db: Kysely<unknown>,
  { columns: { long, longText, text } }: Pick<Seam, "columns">,
): Promise<void> {
  await ensure(db, `ALTER TABLE recoveries ADD COLUMN filter ${longText}`);
  await ensure(db, `ALTER TABLE recoveries ADD COLUMN left_out_by ${longText}`);
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN resend_of ${text(ID_CHARS)}`);
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN recovery_id ${long}`);
}
