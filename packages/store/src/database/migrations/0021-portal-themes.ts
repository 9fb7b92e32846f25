import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

const THEME_CHARS = 5;

/** Lets a portal link choose the theme of its session. The columns are empty for what is older. */
export async function up(db: Kysely<unknown>, { columns: { text } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE portal_links ADD COLUMN theme ${text(THEME_CHARS)}`);
  await ensure(db, `ALTER TABLE tokens ADD COLUMN theme ${text(THEME_CHARS)}`);
}
