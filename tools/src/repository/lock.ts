import { isDeepStrictEqual } from "node:util";

/** The oldest supported Node. */
const OLDEST = [22, 19, 0] as const;

type Lock = { readonly packages: Readonly<Record<string, LockedPackage>> };
type LockedPackage = {
  readonly version?: string;
  readonly engines?: unknown;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/** Lists the packages of the lock file that do not accept the oldest supported Node. */
export function tooNewForNode(lockText: string): readonly string[] {
  const { packages } = JSON.parse(lockText) as Lock;
  return Object.entries(packages).flatMap(([path, { version, engines }]) => {
    const range = nodeRangeOf(engines);
    return range === undefined || acceptsOldest(range) ? [] : [`${path} ${version} needs Node ${range}`];
  });
}

function nodeRangeOf(engines: unknown): string | undefined {
  if (typeof engines !== "object" || engines === null || !("node" in engines)) return undefined;
  return typeof engines.node === "string" ? engines.node : undefined;
}

/** Tells whether a range accepts the oldest supported Node. Reads comparators, and alternatives with `||`. */
export function acceptsOldest(range: string): boolean {
  return range.split("||").some((alternative) => {
    const comparators = [
      ...alternative.matchAll(/(>=|>|<=|<|\^|~|=)?\s*v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?/g),
    ];
    return comparators.every(([, operator = "=", major = "0", minor, patch]) => {
      const bound = [Number(major), numberOf(minor), numberOf(patch)] as const;
      const order = compare(OLDEST, bound);
      switch (operator) {
        case ">=":
        case ">":
          return order >= 0;
        case "<=":
        case "<":
          return order < 0 || (operator === "<=" && bound[0] === OLDEST[0] && minor === undefined);
        default:
          return bound[0] === OLDEST[0] && order >= 0;
      }
    });
  });
}

/** An omitted part or a wildcard counts as 0. */
function numberOf(part: string | undefined): number {
  return part === undefined || part === "x" || part === "*" ? 0 : Number(part);
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [i, part] of one.entries()) {
    const difference = part - (other[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * Lists the packages that another package depends on but the lock file omits. Two causes are known: the
 * registry lacks a build for some platform, and `npm ci` then rejects the lock file on every platform; or the
 * package's version is overridden, and `npm ci` then silently installs without it.
 */
export function missingPackages(lockText: string): readonly string[] {
  const { packages } = JSON.parse(lockText) as Lock;
  return Object.entries(packages).flatMap(([path, { dependencies = {}, optionalDependencies = {} }]) =>
    Object.entries({ ...dependencies, ...optionalDependencies })
      .filter(([name]) => !placesOf(name, path).some((place) => place in packages))
      .map(([name, version]) => `${path} needs ${name} ${version}, which is not in the lock file`),
  );
}

/**
 * Lists the paths where Node looks for a package that the package at `path` imports, as it walks up the
 * folders.
 */
function placesOf(name: string, path: string): readonly string[] {
  const parts = path.split("/");
  return [...parts.keys(), parts.length]
    .filter((depth) => parts[depth - 1] !== "node_modules")
    .map((depth) => [...parts.slice(0, depth), "node_modules", name].join("/"));
}

/** The fields that npm copies from a workspace's package.json into the lock file. */
const COPIED = ["version", "engines", "dependencies", "devDependencies", "peerDependencies"] as const;

/**
 * Lists the workspaces whose package.json differs from their entry in the lock file. `npm ci` accepts the
 * difference, but `npm prune` then rewrites the lock file.
 *
 * @param workspaces the text of each package.json, by folder
 */
export function staleWorkspaces(
  lockText: string,
  workspaces: Readonly<Record<string, string>>,
): readonly string[] {
  const { packages } = JSON.parse(lockText) as { packages: Readonly<Record<string, Manifest>> };
  return Object.entries(workspaces).flatMap(([folder, text]) => {
    const manifest = JSON.parse(text) as Manifest;
    return COPIED.filter((key) => !isDeepStrictEqual(manifest[key], packages[folder]?.[key])).map(
      (key) =>
        `${key} of ${folder} differs between package.json and the lock file: npm install --package-lock-only`,
    );
  });
}

type Manifest = Readonly<Partial<Record<(typeof COPIED)[number], unknown>>>;

/**
 * Packages with install scripts, and why they work without them. `.npmrc` disables all install scripts. npm
 * installs the packages' native parts as separate packages.
 */
const WORK_WITHOUT_THEIR_SCRIPTS: Readonly<Record<string, string>> = {
  "@bufbuild/buf": "the script only replaces a launcher by the native program",
  "@swc/core": "the script only reports a missing native part and installs a slower substitute",
  esbuild: "the script only replaces a launcher by the native program",
  protobufjs: "the script only warns about how dependents specify its version",
};

/** Lists the packages of the lock file that may not work because their install script does not run. */
export function unknownInstallScripts(lockText: string): readonly string[] {
  const { packages } = JSON.parse(lockText) as Lock;
  return Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path, { version }]) => ({ name: path.replace(/^.*node_modules\//, ""), version }))
    .filter(({ name }) => !(name in WORK_WITHOUT_THEIR_SCRIPTS))
    .map(({ name, version }) => `${name} ${version} has an install script, which .npmrc disables`);
}
