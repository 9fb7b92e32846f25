import { isDeepStrictEqual } from "node:util";

/** The oldest Node that is promised to work. */
const OLDEST = [22, 19, 0] as const;

type Lock = { readonly packages: Readonly<Record<string, LockedPackage>> };
type LockedPackage = {
  readonly version?: string;
  readonly engines?: unknown;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};

/** A sentence for each package of the lock file that does not accept the oldest Node. */
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

/** The ranges that packages write: comparators side by side, alternatives between `||`. */
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

/** A part that is left out, or any, begins at 0. */
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
 * A sentence for each package that another one asks for and the lock file leaves out: a build for another
 * platform, where the registry does not carry it (`npm ci` then refuses the lock file, everywhere), or one
 * whose version is overridden (then it does not, and the package is missing where it is used).
 */
export function missingPackages(lockText: string): readonly string[] {
  const { packages } = JSON.parse(lockText) as Lock;
  return Object.entries(packages).flatMap(([path, { dependencies = {}, optionalDependencies = {} }]) =>
    Object.entries({ ...dependencies, ...optionalDependencies })
      .filter(([name]) => !placesOf(name, path).some((place) => place in packages))
      .map(([name, version]) => `${path} asks for ${name} ${version}, which is not in the lock file`),
  );
}

/** Where Node looks for a package, from one at a path: beside it, and in every folder above. */
function placesOf(name: string, path: string): readonly string[] {
  const parts = path.split("/");
  return [...parts.keys(), parts.length]
    .filter((depth) => parts[depth - 1] !== "node_modules")
    .map((depth) => [...parts.slice(0, depth), "node_modules", name].join("/"));
}

/** What npm copies from a workspace's package.json into the lock file; it writes the file anew where they differ. */
const COPIED = ["version", "engines", "dependencies", "devDependencies", "peerDependencies"] as const;

/**
 * A sentence for each workspace that the lock file tells something else of. `npm ci` does not mind, and `npm prune`
 * then changes the lock file.
 *
 * @param workspaces the text of each package.json, by its folder
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
        `the lock file has other ${key} of ${folder} than its package.json: npm install --package-lock-only`,
    );
  });
}

type Manifest = Readonly<Partial<Record<(typeof COPIED)[number], unknown>>>;

/**
 * Packages with scripts that npm would run when it installs them, and why they work without: `.npmrc` leaves
 * them all out. npm installs their native parts as packages of their own.
 */
const WORK_WITHOUT_THEIR_SCRIPTS: Readonly<Record<string, string>> = {
  "@bufbuild/buf": "puts the program itself in the place of the script that calls it",
  "@swc/core": "tells of a native part that is missing, and gets a slower one",
  esbuild: "puts the program itself in the place of the script that calls it",
  protobufjs: "complains of how others name its version",
};

/** A sentence for each package of the lock file that may not work, since its script is not run. */
export function unknownInstallScripts(lockText: string): readonly string[] {
  const { packages } = JSON.parse(lockText) as Lock;
  return Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path, { version }]) => ({ name: path.replace(/^.*node_modules\//, ""), version }))
    .filter(({ name }) => !(name in WORK_WITHOUT_THEIR_SCRIPTS))
    .map(({ name, version }) => `${name} ${version} has an install script, which .npmrc leaves out`);
}
