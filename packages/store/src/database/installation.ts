import { randomInt } from "node:crypto";
import type { InstallationId } from "@posthaste/domain";
import type { Kysely } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** The table's only row. */
export const INSTALLATION_ROW = 1;
/** Letters and digits that are not mistaken for each other, and spell no words. */
const ALPHABET = "23456789bcdfghjkmnpqrstvwxyz";
/** 28^8, about 4 · 10^11 ids: a thousand installations that share a namespace all differ. */
const ID_CHARS = 8;

/** Returns the id of the installation whose database this is. A copy of a database has the same id. */
export async function readInstallation({ db }: Pick<Store, "db">): Promise<InstallationId> {
  const row = await db
    .selectFrom("installation")
    .select("installation_id")
    .where("id", "=", INSTALLATION_ROW)
    .executeTakeFirstOrThrow();
  return row.installation_id;
}

/** Stores the id of a new database, unless an interrupted migration has already done so. */
export async function insertInstallation(db: Kysely<Tables>, installation: InstallationId): Promise<void> {
  const there = await db.selectFrom("installation").select("id").executeTakeFirst();
  if (there !== undefined) return;
  await db
    .insertInto("installation")
    .values({ id: INSTALLATION_ROW, installation_id: installation })
    .execute();
}

export function newInstallationId(): InstallationId {
  const chars = Array.from({ length: ID_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]);
  return chars.join("") as InstallationId;
}
