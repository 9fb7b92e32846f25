import type { InstallationId } from "@posthaste/domain";
import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { insertInstallation, newInstallationId } from "../installation.ts";
import type { Tables } from "../tables.ts";
import { ensure } from "./ensure.ts";

/** The room for an id, which has 8 characters. */
const ID_CHARS = 16;

/**
 * Gives the database an installation's id. A database in use gets the empty one: its workflows are under way,
 * and its schedule stands, under names without an id.
 */
export async function up(db: Kysely<unknown>, { columns }: Pick<Seam, "columns">): Promise<void> {
  const { int, text, tableEnd } = columns;
  await ensure(
    db,
    `CREATE TABLE installation (
      id ${int} NOT NULL PRIMARY KEY,
      installation_id ${text(ID_CHARS)} NOT NULL
    ) ${tableEnd}`,
  );
  const tables = db as Kysely<Tables>;
  const account = await tables.selectFrom("accounts").select("id").limit(1).executeTakeFirst();
  await insertInstallation(tables, account === undefined ? newInstallationId() : ("" as InstallationId));
}
