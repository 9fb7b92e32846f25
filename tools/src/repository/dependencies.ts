import { existsSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { isSource, isTest, packageFolderOf, type RepositoryFile, ROOT } from "./files.ts";
import { importsOf } from "./imports.ts";

type Manifest = {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly version: string;
};

/** Packages that a folder uses without importing them. */
const USED_OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  // Named in buf.gen.yaml.
  "packages/contracts": ["@bufbuild/protoc-gen-es"],
  // Imported by its vite.config.ts, which is outside src.
  "services/console": ["@vitejs/plugin-react", "vite"],
  // Imported by a program that the package writes to a file and runs.
  "packages/temporal-servers": ["@temporalio/testing"],
  // Loaded with --import into the bench's receiver, and by tools/run.mjs into every command.
  "packages/bench": ["tsx"],
  // Loaded with --import into the attackers' process.
  "packages/attack": ["tsx"],
  // Loaded with --import into the process that lives.
  "packages/life": ["tsx"],
  tools: ["tsx"],
};

/** Packages without production dependencies. The console is one, because Vite bundles its packages. */
const NOT_IN_PRODUCTION: ReadonlySet<string> = new Set([
  "services/console",
  "packages/attack",
  "packages/bench",
  "packages/chaos",
  "packages/life",
  "packages/stack",
  "packages/temporal-servers",
  "packages/testkit",
  "tools",
]);

/**
 * Lists the dependencies that are declared but not imported, or imported but not declared. Packages that run
 * in production belong in dependencies and all others in devDependencies, so that `npm ci --omit=dev`
 * installs exactly what production needs. Tests may also import the root's devDependencies and undeclared
 * workspace packages, because declaring testkit everywhere would create cycles.
 */
export function wrongDependencies(files: readonly RepositoryFile[]): readonly string[] {
  const root = manifestOf("package.json");
  const manifests = files.filter(({ path }) =>
    /^((packages|services)\/[^/]+|tools)\/package\.json$/.test(path),
  );
  const inProduction = (file: RepositoryFile) =>
    isShipped(file) && !NOT_IN_PRODUCTION.has(packageFolderOf(file) ?? "");
  return manifests.flatMap(({ path }) => {
    const folder = path.slice(0, -"/package.json".length);
    const manifest = manifestOf(path);
    const own = files.filter(
      (file) => packageFolderOf(file) === folder && (isSource(file) || isGenerated(file)),
    );
    const shipped = packagesIn(own.filter((file) => inProduction(file)));
    const inSources = packagesIn(own.filter((file) => isShipped(file)));
    const inTests = packagesIn(own.filter((file) => !isShipped(file)));
    const declared = { ...manifest.dependencies };
    const dev = { ...manifest.devDependencies };
    const known = (name: string) => name in declared || name in dev || name in (root.devDependencies ?? {});
    const wrong = (what: string) => `${path}: ${what}`;
    return [
      ...[...shipped]
        .filter((name) => name !== manifest.name && !(name in declared))
        .map((name) => wrong(`${name} is imported but not in dependencies`)),
      ...[...inSources]
        .filter((name) => name !== manifest.name && !shipped.has(name) && !known(name))
        .map((name) => wrong(`${name} is imported but not in devDependencies`)),
      ...[...inTests]
        .filter((name) => !name.startsWith("@posthaste/") && !known(name))
        .map((name) => wrong(`${name} is imported by tests but not in devDependencies`)),
      ...Object.keys(declared)
        .filter((name) => !shipped.has(name) && !isUsedOtherwise(folder, name) && !isPeerOf(name, shipped))
        .filter((name) => !isTypesOf(name, shipped))
        .map((name) => wrong(`${name} is in dependencies but not imported`)),
      ...Object.keys(dev)
        .filter((name) => !inSources.has(name) && !inTests.has(name) && !isUsedOtherwise(folder, name))
        .filter((name) => !isTypesOf(name, inSources) && !isPeerOf(name, inSources))
        .map((name) => wrong(`${name} is in devDependencies but not imported`)),
      ...Object.entries({ ...declared, ...dev })
        .filter(([name, version]) => name.startsWith("@posthaste/") && version !== root.version)
        .map(([name, version]) => wrong(`${name} is ${version}, but the workspace is ${root.version}`)),
    ];
  });
}

function manifestOf(path: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8")) as Manifest;
}

function isGenerated({ path }: RepositoryFile): boolean {
  return path.includes("/src/gen/");
}

/** Tells whether a file runs in production or becomes part of a build. */
function isShipped(file: RepositoryFile): boolean {
  return !isTest(file) && file.path.includes("/src/");
}

function packagesIn(files: readonly RepositoryFile[]): Set<string> {
  const names = files.flatMap(importsOf).flatMap(({ packageName }) => packageName ?? []);
  return new Set(names.filter((name) => !name.startsWith("node:") && !builtinModules.includes(name)));
}

function isUsedOtherwise(folder: string, name: string): boolean {
  return USED_OTHERWISE[folder]?.includes(name) ?? false;
}

/** Tells whether an imported package requires this one as a peer, which justifies its declaration. */
function isPeerOf(name: string, imported: ReadonlySet<string>): boolean {
  return [...imported].some((other) => {
    const path = join("node_modules", other, "package.json");
    return existsSync(join(ROOT, path)) && name in (manifestOf(path).peerDependencies ?? {});
  });
}

function isTypesOf(name: string, imported: ReadonlySet<string>): boolean {
  return name.startsWith("@types/") && imported.has(name.slice("@types/".length));
}
