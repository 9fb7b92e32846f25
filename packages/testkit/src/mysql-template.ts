import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { migrate, type Store } from "@posthaste/store";
import { sql } from "kysely";

/** A description of a migrated database: its tables, and the rows that the migrations inserted. */
type Template = { readonly tables: readonly string[]; readonly rows: Readonly<Record<string, Rows>> };
type Rows = readonly Readonly<Record<string, unknown>>[];

/**
 * The folder of the test run's template, shared by its processes. If unset, each process creates
 * its own template.
 */
const TEMPLATE_DIR_VARIABLE = "POSTHASTE_TEST_TEMPLATES";

let template: Template | undefined;

/**
 * Migrates an empty MySQL database. The first call runs the migrations and stores the resulting tables as a
 * template; later calls create the tables from the template, in a tenth of the time.
 */
export async function migrateByTemplate(store: Store): Promise<void> {
  template ??= readTemplate();
  if (template === undefined) {
    await migrate(store);
    template = await describe(store);
    writeTemplate(template);
    return;
  }
  const { tables, rows } = template;
  await store.db.connection().execute(async (db) => {
    for (const table of tables) await sql.raw(table).execute(db);
    for (const [table, content] of Object.entries(rows)) {
      const columns = sql.join(Object.keys(content[0] ?? {}).map((column) => sql.ref(column)));
      const values = sql.join(content.map((row) => sql`(${sql.join(Object.values(row))})`));
      await sql`INSERT INTO ${sql.table(table)} (${columns}) VALUES ${values}`.execute(db);
    }
  });
}

async function describe({ db }: Store): Promise<Template> {
  const names = (await sql<Record<string, string>>`SHOW TABLES`.execute(db)).rows.flatMap(Object.values);
  const tables: string[] = [];
  const rows: Record<string, Rows> = {};
  for (const name of names) {
    const table = sql.table(name);
    const created = await sql<{ "Create Table": string }>`SHOW CREATE TABLE ${table}`.execute(db);
    tables.push(...created.rows.map((row) => row["Create Table"]));
    const content = (await sql<Record<string, unknown>>`SELECT * FROM ${table}`.execute(db)).rows;
    if (content.length > 0) rows[name] = content;
  }
  return { tables, rows };
}

function readTemplate(): Template | undefined {
  const dir = process.env[TEMPLATE_DIR_VARIABLE];
  if (dir === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(join(dir, "mysql.json"), "utf8")) as Template;
  } catch {
    // No process has written a template yet.
    return undefined;
  }
}

/** Writes the template with a rename, so that no other process reads half of it. */
function writeTemplate(content: Template): void {
  const dir = process.env[TEMPLATE_DIR_VARIABLE];
  if (dir === undefined) return;
  const draft = join(dir, `mysql-${randomBytes(8).toString("hex")}`);
  writeFileSync(draft, JSON.stringify(content));
  renameSync(draft, join(dir, "mysql.json"));
}
