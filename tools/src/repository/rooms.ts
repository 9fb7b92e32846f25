import type { RepositoryFile } from "./files.ts";
import { isTest } from "./files.ts";
import { importsOf } from "./imports.ts";

/*
 * The rooms of a package are the folders in its `src`. Each row lists the rooms that a room may import; all
 * other imports are refused. A file outside the rooms, such as `index.ts`, connects them and may import all
 * of them.
 */
export const ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "packages/store/src": {
    database: [],
    audit: ["database"],
    accounts: ["database", "audit"],
    catalog: ["database", "audit", "accounts"],
    statistics: ["database"],
    subscriptions: ["database", "audit", "accounts"],
    deliveries: ["database", "audit", "subscriptions"],
    ingest: ["database", "audit", "subscriptions", "deliveries"],
    lifecycle: ["database", "audit", "subscriptions", "deliveries", "ingest"],
    dispatch: ["database", "subscriptions", "deliveries", "lifecycle"],
    attempts: ["database", "subscriptions", "deliveries", "lifecycle", "dispatch"],
    "long-running": [
      ...["database", "audit", "accounts", "statistics", "subscriptions", "deliveries", "lifecycle"],
      "dispatch",
    ],
    operator: ["database", "accounts", "subscriptions", "long-running"],
  },
  "services/api/src": {
    http: [],
    access: ["http"],
    catalog: ["access"],
    console: [],
    deliveries: ["access", "http"],
    inbox: ["http"],
    ingest: ["catalog"],
    subscriptions: ["catalog", "http", "ingest"],
    connect: ["access", "catalog", "console", "deliveries", "http", "inbox", "ingest", "subscriptions"],
    gateway: ["access", "http", "subscriptions"],
  },
  "services/worker/src": {
    loops: [],
    temporal: [],
  },
};

/** The types of a service's dependencies. Only its outermost rooms may import them. */
const PARTS = "services/api/src/deps.ts";
const NAME_PARTS: ReadonlySet<string> = new Set(["services/api/src/connect", "services/api/src/gateway"]);

/** Lists the imports between rooms that no row allows. */
export function wrongRoomImports(file: RepositoryFile): readonly string[] {
  if (isTest(file)) return [];
  const from = placeOf(file.path);
  if (from?.room === undefined) return [];
  return importsOf(file).flatMap((one) => {
    const to = one.path === undefined ? undefined : placeOf(one.path);
    if (to === undefined || to.root !== from.root || to.room === from.room) return [];
    if (one.path === PARTS && NAME_PARTS.has(`${from.root}/${from.room}`)) return [];
    const allowed = ROOMS[from.root]?.[from.room ?? ""];
    if (to.room !== undefined && allowed?.includes(to.room) === true) return [];
    return [
      `${file.path} imports ${one.specifier}: ${from.room} may import ${allowed?.join(", ") || "no room"}`,
    ];
  });
}

/** Lists the rooms without a row and the rows without a room. */
export function unknownRooms(files: readonly RepositoryFile[]): readonly string[] {
  return Object.entries(ROOMS).flatMap(([root, rows]) => {
    const found = new Set(
      files.flatMap(({ path }) => (placeOf(path)?.root === root ? [placeOf(path)?.room] : [])),
    );
    found.delete(undefined);
    const rooms = [...found].filter((room) => room !== undefined);
    return [
      ...rooms.filter((room) => !(room in rows)).map((room) => `${root}/${room} has no row in ROOMS`),
      ...Object.keys(rows)
        .filter((room) => !found.has(room))
        .map((room) => `ROOMS has a row for ${root}/${room}`),
    ];
  });
}

/** Returns the source folder and the room of a file; `room` is undefined for a file outside the rooms. */
function placeOf(path: string): { root: string; room: string | undefined } | undefined {
  const root = Object.keys(ROOMS).find((one) => path.startsWith(`${one}/`));
  if (root === undefined) return undefined;
  const [room, ...rest] = path.slice(root.length + 1).split("/");
  return { root, room: rest.length === 0 ? undefined : room };
}
