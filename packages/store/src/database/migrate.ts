import { setTimeout } from "node:timers/promises";
import { StartError } from "@posthaste/runtime";
import { Kysely, sql } from "kysely";
import {
  DEFAULT_MIGRATION_LOCK_TABLE,
  DEFAULT_MIGRATION_TABLE,
  type Migration,
  type MigrationResult,
  Migrator,
} from "kysely/migration";
import type { Seam } from "./dialect/seam.ts";
import { up as initial } from "./migrations/0001-initial.ts";
import { up as byAccount } from "./migrations/0002-by-account.ts";
import { up as endingSubscriptions } from "./migrations/0003-ending-subscriptions.ts";
import { up as installation } from "./migrations/0004-installation.ts";
import { up as fanOutCursor } from "./migrations/0005-fan-out-cursor.ts";
import { up as erasedAccounts } from "./migrations/0006-erased-accounts.ts";
import { up as endedAndRemoved } from "./migrations/0007-ended-and-removed.ts";
import { up as byEvent } from "./migrations/0008-by-event.ts";
import { up as upkeepByAccount } from "./migrations/0009-upkeep-by-account.ts";
import { up as blocksOfSlots } from "./migrations/0010-blocks-of-slots.ts";
import { up as lineOfRetries } from "./migrations/0011-line-of-retries.ts";
import { up as endedByUrl } from "./migrations/0012-ended-by-url.ts";
import { up as urlOfAttempts } from "./migrations/0013-url-of-attempts.ts";
import { up as replayInOrder } from "./migrations/0014-replay-in-order.ts";
import { up as provenHosts } from "./migrations/0015-proven-hosts.ts";
import { up as recoveriesOfWaiting } from "./migrations/0016-recoveries-of-waiting.ts";
import { up as eventKeys } from "./migrations/0017-event-keys.ts";
import { up as auditLog } from "./migrations/0018-audit-log.ts";
import { up as resumedAt } from "./migrations/0019-resumed-at.ts";
import { up as failingSubscriptions } from "./migrations/0020-failing-subscriptions.ts";
import { up as portalThemes } from "./migrations/0021-portal-themes.ts";
import { up as idempotencyKeyOfEvent } from "./migrations/0022-idempotency-key-of-event.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/** Every migration, in order. A static list survives bundling. Migrations only go forward. */
const MIGRATIONS: Readonly<Record<string, (db: Kysely<unknown>, seam: Seam) => Promise<void>>> = {
  "0001-initial": initial,
  "0002-by-account": byAccount,
  "0003-ending-subscriptions": endingSubscriptions,
  "0004-installation": installation,
  "0005-fan-out-cursor": fanOutCursor,
  "0006-erased-accounts": erasedAccounts,
  "0007-ended-and-removed": endedAndRemoved,
  "0008-by-event": byEvent,
  "0009-upkeep-by-account": upkeepByAccount,
  "0010-blocks-of-slots": blocksOfSlots,
  "0011-line-of-retries": lineOfRetries,
  "0012-ended-by-url": endedByUrl,
  "0013-url-of-attempts": urlOfAttempts,
  "0014-replay-in-order": replayInOrder,
  "0015-proven-hosts": provenHosts,
  "0016-recoveries-of-waiting": recoveriesOfWaiting,
  "0017-event-keys": eventKeys,
  "0018-audit-log": auditLog,
  "0019-resumed-at": resumedAt,
  "0020-failing-subscriptions": failingSubscriptions,
  "0021-portal-themes": portalThemes,
  "0022-idempotency-key-of-event": idempotencyKeyOfEvent,
};

/** The database holds migrations that this release lacks: it belongs to another release. */
export class UnknownMigrations extends StartError {
  override readonly name = "UnknownMigrations";

  constructor(names: readonly string[]) {
    super(
      `the database has migrations of another release (${names.join(", ")}): use that release, or a newer one`,
    );
  }
}

/** The database holds tables of another program, and none of Posthaste's. */
export class ForeignTables extends StartError {
  override readonly name = "ForeignTables";

  constructor([first = ""]: readonly string[]) {
    super(
      `the database holds tables of another program, such as ${first}: check DATABASE_URL, and give ` +
        "Posthaste a database of its own",
    );
  }
}

/** Transactions have used a table that a migration alters, for longer than it waits. */
export class TableInUse extends StartError {
  override readonly name = "TableInUse";

  constructor(migration: Pick<MigrationResult, "migrationName"> | undefined) {
    super(
      `the migration ${migration?.migrationName} found its table in use ${TRIES_MAX} times: end the transactions ` +
        "that are open for long, such as a backup's (see SHOW PROCESSLIST), and migrate again",
    );
  }
}

/**
 * How often a migration is tried that finds its table in use, and the pause between two tries, in
 * milliseconds, in which those who had to wait behind it go on. With its waits, it gives up in two minutes.
 */
const TRIES_MAX = 12;
const PAUSE_MS = 5_000;

/**
 * Applies the pending migrations. Several processes may call this at once: they take turns under a lock, and
 * all except the first find nothing to do.
 *
 * @returns the names of the applied migrations
 * @throws UnknownMigrations, ForeignTables, TableInUse
 */
export async function migrate(store: Store): Promise<readonly string[]> {
  const { migrationDialect } = store.seam;
  const separate = migrationDialect && new Kysely<Tables>({ dialect: migrationDialect() });
  const db = separate ?? store.db;
  try {
    await appliedMigrations(db);
    const migrator = migratorOf(store, db);
    const applied: string[] = [];
    for (let tries = 1; ; tries++) {
      const { error, results = [] } = await migrator.migrateToLatest();
      for (const { status, migrationName } of results) if (status === "Success") applied.push(migrationName);
      if (error === undefined) return applied;
      if (!store.seam.isLockTimeout(error))
        throw new Error("the database could not be migrated", { cause: error });
      if (tries === TRIES_MAX) throw new TableInUse(results.find(({ status }) => status === "Error"));
      await setTimeout(PAUSE_MS);
    }
  } finally {
    await separate?.destroy();
  }
}

/**
 * Returns the names of the migrations that {@link migrate} would apply.
 *
 * @throws UnknownMigrations, ForeignTables
 */
export async function pendingMigrations(store: Store): Promise<readonly string[]> {
  const applied = await appliedMigrations(store.db);
  return Object.keys(MIGRATIONS).filter((name) => !applied.has(name));
}

/**
 * @throws UnknownMigrations, which Kysely would report as corrupted, and only when it migrates; ForeignTables
 */
async function appliedMigrations(db: Store["db"]): Promise<ReadonlySet<string>> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  const names = tables.map(({ name }) => name);
  if (!names.includes(DEFAULT_MIGRATION_TABLE)) {
    const foreign = names.filter((name) => name !== DEFAULT_MIGRATION_LOCK_TABLE);
    if (foreign.length > 0) throw new ForeignTables(foreign.sort());
    return new Set();
  }
  const { rows } = await sql<{
    name: string;
  }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(db);
  const applied = rows.map(({ name }) => name);
  const unknown = applied.filter((name) => !(name in MIGRATIONS));
  if (unknown.length > 0) throw new UnknownMigrations(unknown.sort());
  return new Set(applied);
}

function migratorOf({ seam }: Store, db: Store["db"]): Migrator {
  const migrations: Record<string, Migration> = {};
  for (const [name, up] of Object.entries(MIGRATIONS))
    migrations[name] = { up: (inMigration) => up(inMigration, seam) };
  return new Migrator({ db, provider: { getMigrations: async () => migrations } });
}
