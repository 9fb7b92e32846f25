import { randomInt } from "node:crypto";
import type { InstallationId } from "@posthaste/domain";
import type { Kysely } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** The table's only row. */
const ROW = 1;
/** Letters and digits that are not mistaken for each other, and spell no words. */
const ALPHABET = "23456789bcdfghjkmnpqrstvwxyz";
/** 28^8, about 4 · 10^11 ids: a thousand installations that share a namespace all differ. */
const ID_CHARS = 8;

/** Returns the id of the installation whose database this is. A copy of a database has the same id. */
export async function readInstallation({ db }: Pick<Store, "db">): Promise<InstallationId> {
  const row = await db
    .selectFrom("installation")
    .select("installation_id")
    .where("id", "=", ROW)
    .executeTakeFirstOrThrow();
  return row.installation_id;
}

/**
 * Gives the database an id of its own, so that it is an installation apart from the one it was copied from.
 * Its open workflows keep the old names and belong to the original. The reconciler starts new ones.
 *
 * @returns the new id
 */
export async function renewInstallation({ db }: Pick<Store, "db">): Promise<InstallationId> {
  const installation = newInstallationId();
  await db.updateTable("installation").set({ installation_id: installation }).where("id", "=", ROW).execute();
  return installation;
}

/** Stores the id of a new database, unless an interrupted migration has already done so. */
export async function insertInstallation(db: Kysely<Tables>, installation: InstallationId): Promise<void> {
  const there = await db.selectFrom("installation").select("id").executeTakeFirst();
  if (there !== undefined) return;
  await db.insertInto("installation").values({ id: ROW, installation_id: installation }).execute();
}

export function newInstallationId(): InstallationId {
  const chars = Array.from({ length: ID_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]);
  return chars.join("") as InstallationId;
}
