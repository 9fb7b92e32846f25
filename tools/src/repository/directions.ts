import { isTest, packageFolderOf, type RepositoryFile } from "./files.ts";
import { type Import, importsOf } from "./imports.ts";

/*
 * The allowed imports between packages. An import that is not listed is refused. A folder without a row may
 * import no workspace package, so each new package needs a decision.
 */

/**
 * The workspace packages that a folder may import, without their scope. An entry with a `/subpath` allows
 * only that subpath.
 */
const WORKSPACE: Readonly<Record<string, readonly string[]>> = {
  examples: ["signature"],
  "packages/domain": [],
  "packages/signature": [],
  "packages/contracts": [],
  "packages/runtime": [],
  "packages/egress": ["domain"],
  "packages/temporal-servers": [],
  "packages/store": ["domain", "runtime"],
  "packages/client": ["contracts"],
  "packages/delivery/src/workflows": ["domain"],
  "packages/delivery/src/activities": ["domain", "egress", "store", "runtime", "signature"],
  "packages/delivery": ["domain", "store", "runtime"],
  "services/api": ["contracts", "delivery/client", "domain", "runtime", "store"],
  "services/console": ["contracts", "signature"],
  "services/operator": ["domain", "runtime", "store"],
  "services/worker": ["delivery", "domain", "egress", "runtime", "store"],
  "packages/testkit": ["delivery", "domain", "egress", "runtime", "store", "temporal-servers"],
  "packages/stack": ["client", "domain", "store", "temporal-servers", "testkit"],
  "packages/attack": ["client", "domain", "runtime", "stack", "store", "testkit"],
  "packages/bench": ["contracts", "delivery/client", "domain", "runtime", "stack", "testkit"],
  "packages/chaos": [
    "client",
    "contracts",
    "delivery/client",
    "domain",
    "runtime",
    "signature",
    "stack",
    "store",
    "testkit",
  ],
  "packages/life": ["domain", "runtime", "store", "testkit"],
  tools: [
    "attack",
    "bench",
    "chaos",
    "client",
    "contracts",
    "delivery",
    "domain",
    "life",
    "runtime",
    "stack",
    "store",
    "temporal-servers",
    "testkit",
  ],
};

/** Third-party packages that only these folders may import. */
const CONFINED: readonly { readonly packages: RegExp; readonly to: readonly string[] }[] = [
  // The bench compares the product with plain drivers and clients.
  { packages: /^(mysql2|node:sqlite)$/, to: ["packages/store", "packages/bench/src/yardsticks"] },
  // The test kit creates and drops databases; product code never does.
  { packages: /^kysely$/, to: ["packages/store", "packages/testkit"] },
  {
    packages: /^@temporalio\//,
    to: ["packages/delivery", "services/worker", "packages/testkit", "packages/bench/src/yardsticks"],
  },
  {
    packages: /^(@bufbuild\/.*|@connectrpc\/.*)$/,
    to: [
      "packages/contracts",
      "packages/client",
      "services/api",
      "services/console",
      "packages/bench/src/load",
      // The server that a suite of others tests.
      "tools/src/conformance",
    ],
  },
  { packages: /^undici$/, to: ["packages/egress", "packages/bench/src/load"] },
  // One place decides which addresses may be called.
  { packages: /^ipaddr\.js$/, to: ["packages/domain"] },
];

/**
 * Folders that may not import Node's modules, because their code runs in the workflow sandbox or in browsers.
 */
const WITHOUT_NODE = [
  "packages/domain",
  "packages/signature",
  "packages/delivery/src/workflows",
  "services/console/src",
];

/** Lists the imports that are not allowed. */
export function wrongImports(file: RepositoryFile): readonly string[] {
  return importsOf(file).flatMap((one) => {
    const why = isTest(file) ? whyWrongInTest(file, one) : (whyWrong(file, one) ?? whyWrongInTest(file, one));
    return why === undefined ? [] : [`${file.path} imports ${one.specifier}: ${why}`];
  });
}

function whyWrong(file: RepositoryFile, one: Import): string | undefined {
  const { path } = file;
  if (one.path !== undefined) return whyWrongRelative(file, one.path, one.typeOnly);
  const name = one.packageName ?? "";
  if (name.startsWith("@posthaste/")) {
    const allowed = rowFor(path);
    const imported = one.specifier.slice("@posthaste/".length);
    if (allowed?.some((row) => imported === row || imported.startsWith(`${row}/`))) return undefined;
    return `only ${allowed?.join(", ") || "third-party packages"} may be imported here`;
  }
  const confined = CONFINED.find(({ packages }) => packages.test(name));
  if (confined !== undefined && !isIn(path, confined.to))
    return `only ${confined.to.join(", ")} may import it`;
  if (name.startsWith("node:") && isIn(path, WITHOUT_NODE)) return "Node's modules may not be imported here";
  return undefined;
}

function whyWrongRelative(file: RepositoryFile, path: string, typeOnly: boolean): string | undefined {
  const workflows = "packages/delivery/src/workflows/";
  const names = "packages/delivery/src/names.ts";
  if (file.path.startsWith(workflows) && !path.startsWith(workflows) && path !== names && !typeOnly) {
    return "a workflow may import only types and names.ts from outside its folder";
  }
  return undefined;
}

/** The rule for tests as well: no file imports a file of another package or service by its path. */
function whyWrongInTest(file: RepositoryFile, { path }: Import): string | undefined {
  const from = packageFolderOf(file);
  if (path === undefined || from === "tools" || from === undefined) return undefined;
  // The console shows the examples and the receivers guide: as text, they are no dependency.
  if (/^(?:examples\/.*\?raw|docs\/.*\.md\?guide)$/.test(path)) return undefined;
  return path.startsWith(`${from}/`) ? undefined : "import another package by its name";
}

/** Returns the most specific row for a path. */
function rowFor(path: string): readonly string[] | undefined {
  const folders = Object.keys(WORKSPACE).filter((folder) => isIn(path, [folder]));
  const folder = folders.sort((a, b) => b.length - a.length)[0];
  return folder === undefined ? undefined : WORKSPACE[folder];
}

function isIn(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder}/`));
}
