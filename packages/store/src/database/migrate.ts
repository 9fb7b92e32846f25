import { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Seam } from "./dialect/seam.ts";
import { up as initial } from "./migrations/0001-initial.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** Every migration in its order. A static list, so that it survives bundling. There is no way back. */
const MIGRATIONS: Readonly<Record<string, (db: Kysely<unknown>, seam: Seam) => Promise<void>>> = {
  "0001-initial": initial,
};

/**
 * Brings the database up to date. Several processes may do it at once: they take turns under a lock, and all but the
 * first find nothing to do.
 *
 * @returns the names of the migrations that were applied
 */
export async function migrate(store: Store): Promise<readonly string[]> {
  const { migrationDialect } = store.seam;
  const own = migrationDialect && new Kysely<Tables>({ dialect: migrationDialect() });
  const { error, results = [] } = await migratorOf(store, own ?? store.db).migrateToLatest();
  await own?.destroy();
  if (error !== undefined) throw new Error("the database could not be migrated", { cause: error });
  return results.filter((result) => result.status === "Success").map((result) => result.migrationName);
}

/** The names of the migrations that {@link migrate} would apply. */
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
