import { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Seam } from "./dialect/seam.ts";
import { up as initial } from "./migrations/0001-initial.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** Every migration, in order. A static list survives bundling. Migrations only go forward. */
const MIGRATIONS: Readonly<Record<string, (db: Kysely<unknown>, seam: Seam) => Promise<void>>> = {
  "0001-initial": initial,
};

/**
 * Applies the pending migrations. Several processes may call this at once: they take turns under a lock, and
 * all except the first find nothing to do.
 *
 * @returns the names of the applied migrations
 */
export async function migrate(store: Store): Promise<readonly string[]> {
  const { migrationDialect } = store.seam;
  const separate = migrationDialect && new Kysely<Tables>({ dialect: migrationDialect() });
  const { error, results = [] } = await migratorOf(store, separate ?? store.db).migrateToLatest();
  await separate?.destroy();
  if (error !== undefined) throw new Error("the database could not be migrated", { cause: error });
  return results.filter((result) => result.status === "Success").map((result) => result.migrationName);
}

/** Returns the names of the migrations that {@link migrate} would apply. */
export async function pendingMigrations(store: Store): Promise<readonly string[]> {
  const all = await migratorOf(store, store.db).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}

function migratorOf({ seam }: Store, db: Store["db"]): Migrator {
  const migrations: Record<string, Migration> = {};
  for (const [name, up] of Object.entries(MIGRATIONS))
    migrations[name] = { up: (inMigration) => up(inMigration, seam) };
  return new Migrator({ db, provider: { getMigrations: async () => migrations } });
}
