import { describe, expect, test } from "vitest";
import { wrongImports } from "./directions.ts";
import { importsOf } from "./imports.ts";
import { longLines } from "./lines.ts";
import {
  acceptsOldest,
  missingPackages,
  staleWorkspaces,
  tooNewForNode,
  unknownInstallScripts,
} from "./lock.ts";
import { bannedNames } from "./names.ts";
import { deadPointers } from "./pointers.ts";
import { untrueReadmes } from "./readmes.ts";
import { ROOMS, unknownRooms, wrongRoomImports } from "./rooms.ts";
import { strayWrites } from "./writers.ts";

const file = (path: string, ...lines: string[]) => ({ path, text: `${lines.join("\n")}\n` });

test("every form of import is found", () => {
  const code = file(
    "packages/x/src/a/one.ts",
    'import { a } from "kysely";',
    'import type { B } from "../b.ts";',
    "export {",
    "  c,",
    '} from "@posthaste/domain/sub";',
    'import "node:fs";',
    'const d = await import("@scope/name/deep");',
    '// import { no } from "commented";',
    'const text = "from elsewhere";',
  );
  expect(importsOf(code).map(({ packageName, path, typeOnly }) => [packageName ?? path, typeOnly])).toEqual([
    ["kysely", false],
    ["packages/x/src/b.ts", true],
    ["@posthaste/domain", false],
    ["node:fs", false],
    ["@scope/name", false],
  ]);
});

describe("an import is refused", () => {
  test.each([
    ["packages/domain/src/x.ts", "@posthaste/store"],
    ["packages/domain/src/x.ts", "node:crypto"],
    ["packages/store/src/x.ts", "@posthaste/testkit"],
    ["packages/client/src/x.ts", "@posthaste/domain"],
    ["packages/delivery/src/workflows/x.ts", "@posthaste/store"],
    ["packages/delivery/src/workflows/x.ts", "../activities/index.ts"],
    ["packages/delivery/src/workflows/x.ts", "node:fs"],
    ["services/api/src/x.ts", "@posthaste/delivery/worker"],
    ["services/api/src/x.ts", "@posthaste/delivery"],
    ["services/api/src/x.ts", "kysely"],
    ["services/api/src/x.ts", "@temporalio/client"],
    ["services/api/src/x.ts", "undici"],
    ["services/api/src/x.ts", "../../worker/src/metrics.ts"],
    ["services/api/test/x.test.ts", "../../worker/src/metrics.ts"],
    ["services/worker/src/x.ts", "@posthaste/contracts/delivery"],
    ["packages/unheard-of/src/x.ts", "@posthaste/domain"],
    ["examples/verify/node/x.mjs", "@posthaste/domain"],
    ["services/console/src/x.ts", "../../../examples/verify/node/x.mjs"],
  ])("from %s to %s", (path, specifier) => {
    expect(wrongImports(file(path, `import { x } from "${specifier}";`))).toHaveLength(1);
  });
});

describe("an import is allowed", () => {
  test.each([
    ["packages/store/src/x.ts", "@posthaste/domain"],
    ["packages/delivery/src/workflows/x.ts", "../names.ts"],
    ["packages/delivery/src/activities/x.ts", "@posthaste/store"],
    ["services/api/src/x.ts", "@posthaste/delivery/client"],
    ["services/api/test/x.test.ts", "@posthaste/testkit"],
    ["tools/src/x.ts", "../../services/api/src/config.ts"],
    ["examples/verify/node/x.mjs", "@posthaste/signature"],
    ["services/console/src/x.ts", "../../../examples/verify/node/x.mjs?raw"],
    ["services/console/src/x.ts", "../../../docs/receivers.md?guide"],
  ])("from %s to %s", (path, specifier) => {
    expect(wrongImports(file(path, `import { x } from "${specifier}";`))).toEqual([]);
  });

  test("if a workflow imports only the activities' types", () => {
    const path = "packages/delivery/src/workflows/x.ts";
    expect(wrongImports(file(path, 'import type { A } from "../activities/index.ts";'))).toEqual([]);
  });
});

describe("an import between rooms", () => {
  const store = "packages/store/src";
  test.each([
    [`${store}/database/x.ts`, "../accounts/accounts.ts"],
    [`${store}/deliveries/x.ts`, "../ingest/events.ts"],
    [`${store}/accounts/x.ts`, "../index.ts"],
    ["services/api/src/connect/x.ts", "../gateway/gateway.ts"],
    ["services/api/src/gateway/x.ts", "../connect/page.ts"],
    ["services/api/src/http/x.ts", "../deps.ts"],
  ])("is refused from %s to %s", (path, specifier) => {
    expect(wrongRoomImports(file(path, `import { x } from "${specifier}";`))).toHaveLength(1);
  });

  test.each([
    [`${store}/ingest/x.ts`, "../database/store.ts"],
    [`${store}/ingest/x.ts`, "./events.ts"],
    [`${store}/index.ts`, "./ingest/events.ts"],
    ["services/api/src/connect/x.ts", "../deps.ts"],
    ["services/api/src/http/x.test.ts", "../connect/page.ts"],
  ])("is allowed from %s to %s", (path, specifier) => {
    expect(wrongRoomImports(file(path, `import { x } from "${specifier}";`))).toEqual([]);
  });
});

test("a room without a row and a row without a room are reported", () => {
  const rooms = Object.entries(ROOMS).flatMap(([root, rows]) =>
    Object.keys(rows).map((room) => file(`${root}/${room}/x.ts`, "")),
  );
  expect(unknownRooms(rooms)).toEqual([]);
  expect(unknownRooms([...rooms, file("services/worker/src/attic/x.ts", "")])).toEqual([
    "services/worker/src/attic has no row in ROOMS",
  ]);
  expect(unknownRooms(rooms.filter(({ path }) => !path.includes("/temporal/")))).toEqual([
    "ROOMS has a row for services/worker/src/temporal",
  ]);
});

test("a README that names a missing file or omits an export is reported", () => {
  const manifest = file("packages/x/package.json", '{"exports":{".":{},"./sub":{},"./gen/*":{}}}');
  const code = file("packages/x/src/rooms/a.ts", "");
  const readme = (text: string) => untrueReadmes([manifest, code, file("packages/x/README.md", text)]);
  expect(readme("`a.ts` in `rooms/`, `src/rooms/a.ts`, and `./sub`")).toEqual([]);
  expect(readme("`b.ts` in `attic/`")).toEqual([
    "packages/x/README.md names b.ts, which is not in its folder",
    "packages/x/README.md names attic/, which is not in its folder",
    "packages/x/README.md does not name the export ./sub",
  ]);
});

test("a long line is allowed only because of a string or a regular expression", () => {
  const long = "x".repeat(120);
  const fits = [`const a = "${long}";`, `const b = /${long}/g;`, `const c = \`${long}`, `${long}\`;`];
  expect(longLines(file("packages/x/src/x.ts", ...fits))).toEqual([]);
  const code = [`// ${long}`, ` * "${long}"`, `{/* "${long}" */}`, `# "${long}"`, `const ${long} = 1;`];
  expect(longLines(file("packages/x/src/x.ts", ...code))).toHaveLength(5);
});

test("banned words are found in declarations, properties and file names", () => {
  expect(bannedNames(file("packages/x/src/date-utils.ts", "const x = 1;"))).toHaveLength(1);
  const code = [
    "function runJob() {}",
    "class ConnectionManager {}",
    "type T = {",
    "  readonly taskId: string;",
    "};",
  ];
  expect(bannedNames(file("packages/x/src/x.ts", ...code))).toHaveLength(3);
  const fine = ["const TASK_QUEUE = 1;", "const multitasking = 1;", "// a common job", 'const x = "helper";'];
  expect(bannedNames(file("packages/x/src/x.ts", ...fine))).toEqual([]);
});

test("missing paths, links and scripts are found in comments and pages", () => {
  const code = [
    "// see packages/domain/src/gone.ts",
    'const x = "packages/not/prose.ts";',
    "// npm run nowhere",
  ];
  expect(deadPointers(file("packages/x/src/x.ts", ...code))).toEqual([
    "packages/x/src/x.ts names packages/domain/src/gone.ts, which does not exist",
    "packages/x/src/x.ts names npm run nowhere, which does not exist",
  ]);
  expect(
    deadPointers(file("docs/x.md", "[a](gone.md) [b](architecture.md#storage) [c](https://example.com)")),
  ).toEqual(["docs/x.md links to gone.md, which does not exist"]);
  expect(
    deadPointers(file("docs/x.md", "`services/api/dist/main.js`, tools/src/COMMAND.ts, `npm run up`")),
  ).toEqual([]);
});

test.each([
  [">=18", true],
  [">= 22.19", true],
  ["^20.19.0 || >=22.12.0", true],
  ["22 || >=24", true],
  ["^20 || ^22.0.0", true],
  [">=0.8.0 <26", true],
  ["22.x", true],
  ["*", true],
  [">=24", false],
  [">=22.20", false],
  ["^20.19.0 || >=24", false],
  [">=20 <22", false],
  ["^20.0.0", false],
])("whether engines %j accepts the oldest supported Node: %j", (range, accepts) => {
  expect(acceptsOldest(range)).toBe(accepts);
});

test("a package that does not accept the oldest supported Node is reported", () => {
  const lock = { packages: { "": {}, "node_modules/a": { version: "3.0.0", engines: { node: ">=24" } } } };
  expect(tooNewForNode(JSON.stringify(lock))).toEqual(["node_modules/a 3.0.0 needs Node >=24"]);
});

test("a build for another platform that the lock file omits is reported", () => {
  const optionalDependencies = { "a-linux": "1.0.0", "a-darwin": "1.0.0" };
  const lock = {
    packages: { "": {}, "node_modules/a": { optionalDependencies }, "node_modules/a-linux": {} },
  };
  expect(missingPackages(JSON.stringify(lock))).toEqual([
    "node_modules/a needs a-darwin 1.0.0, which is not in the lock file",
  ]);
});

test("a package is reported only if it is missing from every folder where Node would look for it", () => {
  const dependencies = { b: "^1.0.0" };
  const lockOf = (where: string) =>
    JSON.stringify({ packages: { "services/x/node_modules/@s/a": { dependencies }, [where]: {} } });
  const places = [
    "node_modules/b",
    "services/x/node_modules/b",
    "services/x/node_modules/@s/a/node_modules/b",
  ];
  for (const place of places) expect(missingPackages(lockOf(place))).toEqual([]);
  expect(missingPackages(lockOf("services/y/node_modules/b"))).toEqual([
    "services/x/node_modules/@s/a needs b ^1.0.0, which is not in the lock file",
  ]);
});

test("a package that may need its install script is reported", () => {
  const packages = {
    "node_modules/a/node_modules/esbuild": { version: "1.0.0", hasInstallScript: true },
    "node_modules/@s/b": { version: "2.0.0", hasInstallScript: true },
    "node_modules/c": { version: "3.0.0" },
  };
  expect(unknownInstallScripts(JSON.stringify({ packages }))).toEqual([
    "@s/b 2.0.0 has an install script, which .npmrc disables",
  ]);
});

test("a workspace that differs from its entry in the lock file is reported", () => {
  const packages = { "packages/a": { version: "1.0.0", engines: { node: ">=22" } } };
  const stale = (manifest: object) =>
    staleWorkspaces(JSON.stringify({ packages }), { "packages/a": JSON.stringify(manifest) });
  expect(stale({ version: "1.0.0", engines: { node: ">=22" }, scripts: {} })).toEqual([]);
  expect(stale({ version: "1.0.0", engines: { node: ">=20" } })).toEqual([
    "engines of packages/a differs between package.json and the lock file: npm install --package-lock-only",
  ]);
});

describe("a write of a delivery or of its log outside of its file is reported", () => {
  test.each([
    ['await tx.updateTable("deliveries").set({ state }).execute();', "update on deliveries"],
    ['db.updateTable(\n  "deliveries as d",\n)', "update on deliveries"],
    ['db.updateTable(["deliveries", "events"])', "a write of a table that is not named"],
    ['await tx.insertInto("deliveries").values(row).execute();', "insert on deliveries"],
    ['await tx.replaceInto("deliveries").values(row).execute();', "insert on deliveries"],
    ['await insertRows(tx, "deliveries", rows);', "insert on deliveries"],
    ['await updateRows(tx, "deliveries", "id", rows);', "update on deliveries"],
    ['await tx.deleteFrom("deliveries").execute();', "delete on deliveries"],
    ["await sql`update deliveries set attempts = 1`.execute(db);", "update on deliveries"],
    ["await sql`UPDATE\n  deliveries d SET state = 'parked'`.execute(db);", "update on deliveries"],
    ["await sql`update ignore deliveries set attempts = 1`.execute(db);", "update on deliveries"],
    ['await sql.raw("update `deliveries` set attempts = 1").execute(db);', "update on deliveries"],
    [`await sql\`update \${sql.table("deliveries")} set attempts = 1\`.execute(db);`, "update on deliveries"],
    ["await sql`insert into deliveries (id) values (1)`.execute(db);", "insert on deliveries"],
    ["await sql`INSERT IGNORE INTO deliveries (id) VALUES (1)`.execute(db);", "insert on deliveries"],
    ["await sql`replace into deliveries (id) values (1)`.execute(db);", "insert on deliveries"],
    ['CompiledQuery.raw("delete from deliveries where id = ?", [id])', "delete on deliveries"],
    ['deleteFirst(store, tx, { table: "deliveries", where, orderBy: "id", limit })', "delete on deliveries"],
    ['await insertRows(tx, "delivery_changes", changes);', "insert on delivery_changes"],
    ['await tx.insertInto("delivery_changes").values(row).execute();', "insert on delivery_changes"],
    ['await tx.updateTable("delivery_changes").set({ batch }).execute();', "update on delivery_changes"],
    ["await tx.updateTable(table).set({ state }).execute();", "a write of a table that is not named"],
  ])("%s", (code, found) => {
    for (const path of [
      "packages/store/src/dispatch/claims.ts",
      "services/api/src/x.ts",
      "packages/x/y.mjs",
    ]) {
      expect(strayWrites([file(path, code)])).toEqual([`${path}: ${found}`]);
    }
  });

  test("but no read, no write of another table, no comment and no test", () => {
    const allowed = [
      'db.selectFrom("deliveries").where("state", "=", "pending")',
      "sql`select id from deliveries for update`",
      'db.updateTable("delivery_notes").set({ deliveries: 1 })',
      "sql`create trigger t before update of state on deliveries`",
      "// Nothing else may update deliveries.",
      " * No other statement may insert into deliveries.",
    ];
    expect(strayWrites([file("packages/store/src/x.ts", ...allowed)])).toEqual([]);
    const update = 'db.updateTable("deliveries").set({ state })';
    expect(strayWrites([file("packages/store/test/x.test.ts", update)])).toEqual([]);
    expect(strayWrites([file("packages/store/src/deliveries/move.ts", update)])).toEqual([]);
    expect(strayWrites([file("packages/store/src/deliveries/new-deliveries.ts", update)])).toHaveLength(1);
  });
});
