import { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { up as initial } from "./migrations/0001-initial.ts";
import { up as signing } from "./migrations/0002-signing.ts";
import { up as subscriptionOptions } from "./migrations/0003-subscription-options.ts";
import { up as testDeliveries } from "./migrations/0004-test-deliveries.ts";
import { up as parkingAndPace } from "./migrations/0005-parking-and-pace.ts";
import { up as recoveries } from "./migrations/0006-recoveries.ts";
import { up as deliveryChanges } from "./migrations/0007-delivery-changes.ts";
import { up as traceparent } from "./migrations/0008-traceparent.ts";
import { up as retention } from "./migrations/0009-retention.ts";
import { up as erasures } from "./migrations/0010-erasures.ts";
import { up as eventTypes } from "./migrations/0011-event-types.ts";
import { up as lanes } from "./migrations/0012-lanes.ts";
import { up as consoleTables } from "./migrations/0013-console.ts";
import { up as wideNumbers } from "./migrations/0014-wide-numbers.ts";
import { up as sqliteStatistics } from "./migrations/0015-sqlite-statistics.ts";
import type { MigrationContext } from "./migrations/context.ts";
import { SealError } from "./sealer.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** Every migration in its order. A static list, so that it survives bundling; forward only. */
const MIGRATIONS: Readonly<
  Record<string, (db: Kysely<unknown>, context: MigrationContext) => Promise<void>>
> = {
  "0001-initial": initial,
  "0002-signing": signing,
  "0003-subscription-options": subscriptionOptions,
  "0004-test-deliveries": testDeliveries,
  "0005-parking-and-pace": parkingAndPace,
  "0006-recoveries": recoveries,
  "0007-delivery-changes": deliveryChanges,
  "0008-traceparent": traceparent,
  "0009-retention": retention,
  "0010-erasures": erasures,
  "0011-event-types": eventTypes,
  "0012-lanes": lanes,
  "0013-console": consoleTables,
  "0014-wide-numbers": wideNumbers,
  "0015-sqlite-statistics": sqliteStatistics,
};

/**
 * Brings the database up to date. Safe when several processes do it at once: they take turns under a lock, and all
 * but the first find nothing to do.
 *
 * @returns the names of what was applied
 * @throws SealError where secrets are to be sealed and the store was opened without keys
 */
export async function migrate(store: Store): Promise<readonly string[]> {
  const { migrationDialect } = store.seam;
  const own = migrationDialect && new Kysely<Tables>({ dialect: migrationDialect() });
  const { error, results = [] } = await migratorOf(store, own ?? store.db).migrateToLatest();
  await own?.destroy();
  // The operator's to mend, and says how.
  if (error instanceof SealError) throw error;
  if (error !== undefined) throw new Error("the database could not be migrated", { cause: error });
  return results.filter((result) => result.status === "Success").map((result) => result.migrationName);
}

/** What {@link migrate} would apply. */
export async function pendingMigrations(store: Store): Promise<readonly string[]> {
  const all = await migratorOf(store, store.db).getMigrations();
  return all.filter((migration) => migration.executedAt === undefined).map((migration) => migration.name);
}

function migratorOf({ seam, sealer }: Store, db: Store["db"]): Migrator {
  const context = { database: seam.name, columns: seam.columns, sealer, now: Date.now() };
  const migrations: Record<string, Migration> = {};
  for (const [name, up] of Object.entries(MIGRATIONS)) {
    migrations[name] = { up: (inMigration) => up(inMigration, context) };
  }
  return new Migrator({ db, provider: { getMigrations: async () => migrations } });
}
