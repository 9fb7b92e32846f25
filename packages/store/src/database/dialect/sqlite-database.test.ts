import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteFile, type SqliteFile } from "./sqlite-database.ts";

let dir: string;
let database: SqliteFile;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-sqlite-"));
  database = openSqliteFile(join(dir, "a.db"));
  run("create table a (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB, n INTEGER) STRICT");
});
afterEach(() => {
  database.close();
  rmSync(dir, { recursive: true });
});

const run = (sql: string, ...parameters: unknown[]) => database.prepare(sql).run(parameters);
const all = (sql: string, ...parameters: unknown[]) => database.prepare(sql).all(parameters);
const codeOf = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

test("bytes come back as a Buffer from a column, from an expression and from rows read one by one", () => {
  run("insert into a (id, data) values (1, ?), (2, null)", Buffer.from("bytes"));
  const rows = [{ data: Buffer.from("bytes") }, { data: null }];
  expect(all("select data from a order by id")).toEqual(rows);
  expect(all("select coalesce(data, null) as data from a order by id")).toEqual(rows);
  expect([...database.prepare("select data from a order by id").iterate([])]).toEqual(rows);
  expect((all("select data from a where id = 1")[0] as { data: unknown }).data).toBeInstanceOf(Buffer);
});

test("a statement that returns rows is a reader, and any other statement returns what it changed", () => {
  expect(database.prepare("select 1").reader).toBe(true);
  expect(database.prepare("insert into a (id) values (?)").reader).toBe(false);
  expect(run("insert into a (id) values (7), (8)")).toMatchObject({ changes: 2, lastInsertRowid: 8 });
});

test.each<[string, string, () => unknown]>([
  ["a unique key", "SQLITE_CONSTRAINT_UNIQUE", () => run("insert into a (id, name) values (2, 'x')")],
  ["a primary key", "SQLITE_CONSTRAINT_PRIMARYKEY", () => run("insert into a (id) values (1)")],
  ["another constraint", "SQLITE_CONSTRAINT", () => run("insert into a (id, n) values (3, 'word')")],
  ["a syntax error", "SQLITE_1", () => run("selekt")],
])("an error has SQLite's name as its code: %s", (_what, code, violate) => {
  run("insert into a (id, name) values (1, 'x')");
  expect(codeOf(violate)).toBe(code);
});

test("a taken lock is SQLITE_BUSY at once, and a file that cannot be opened is SQLITE_CANTOPEN", () => {
  const other = openSqliteFile(join(dir, "a.db"));
  other.prepare("begin immediate").run([]);
  expect(other.isTransaction).toBe(true);
  expect(codeOf(() => run("insert into a (id) values (1)"))).toBe("SQLITE_BUSY");
  other.close();
  expect(codeOf(() => openSqliteFile(dir))).toBe("SQLITE_CANTOPEN");
});

test.each<[string, string, readonly unknown[]]>([
  ["a leading Date, which Node takes for named parameters", "1 is an object", [new Date(), "x"]],
  ["a leading object", "1 is an object", [{ name: "secret" }, "x"]],
  ["a list", "2 is an object", [2, ["secret"]]],
  ["a boolean", "2 is a boolean", [2, true]],
  ["undefined", "2 is undefined", [2, undefined]],
  ["NaN", "2 is NaN", [2, Number.NaN]],
])(
  "a value that SQLite cannot store is refused by its position and not quoted: %s",
  (_what, words, values) => {
    for (const method of ["run", "all", "iterate"] as const) {
      const statement = database.prepare("insert into a (id, name) values (?, ?) returning id");
      const refused = () => [...((statement[method](values) ?? []) as Iterable<unknown>)];
      expect(refused).toThrow(TypeError);
      expect(refused).toThrow(new RegExp(`^parameter ${words}$`));
    }
    expect(all("select id from a")).toEqual([]);
  },
);

test("too few or too many values are refused, not filled up with NULL", () => {
  const insert = "insert into a (id, name) values (?, ?)";
  expect(() => run(insert, 1)).toThrow("expected 2 parameters, got 1");
  expect(() => run(insert, 1, "x", "y")).toThrow("expected 2 parameters, got 3");
  run("insert into a (id, name) values (?, 'what?')", 3);
  expect(all("select id, name from a where name like '%?' -- ?")).toEqual([{ id: 3, name: "what?" }]);
});

test("bytes come back as a Buffer from a column that was added after the statement was prepared", () => {
  run("insert into a (id) values (1)");
  const statement = database.prepare("select * from a");
  const other = openSqliteFile(join(dir, "a.db"));
  other.prepare("alter table a add column later BLOB").run([]);
  other.prepare("update a set later = ?").run([Buffer.from("bytes")]);
  other.close();
  expect(statement.all([])).toMatchObject([{ later: Buffer.from("bytes") }]);
  expect([...statement.iterate([])]).toMatchObject([{ later: Buffer.from("bytes") }]);
});

test("a number that JavaScript cannot represent is refused, not rounded", () => {
  run("insert into a (id, n) values (1, ?)", 2n ** 60n);
  expect(() => all("select n from a")).toThrow(RangeError);
});

test("closing twice is harmless", () => {
  database.close();
  expect(() => database.close()).not.toThrow();
});
