import { posix } from "node:path";
import type { RepositoryFile } from "./files.ts";

/** A file or folder in backticks, such as `retry-now.ts`, `loops/` or `client/index.ts`. */
const NAMED = /`(\.?[\w-]+(?:\/[\w.-]+)*(?:\.(?:tsx?|mjs|md|proto)|\/))`/g;

/**
 * Lists the files that a README names but that are not in its folder, and the package exports that it omits.
 */
export function untrueReadmes(files: readonly RepositoryFile[]): readonly string[] {
  const paths = files.map(({ path }) => path);
  return files
    .filter(({ path }) => path.endsWith("/README.md"))
    .flatMap((readme) => [...missingFiles(readme, paths), ...missingExports(readme, files)]);
}

function missingFiles({ path, text }: RepositoryFile, paths: readonly string[]): readonly string[] {
  const folder = posix.dirname(path);
  const inside = paths.filter((other) => other.startsWith(`${folder}/`));
  return [...text.matchAll(NAMED)]
    .map(([, name = ""]) => name)
    .filter((name) => {
      if (name.startsWith("dist/") || paths.some((other) => other === name || other.startsWith(name)))
        return false;
      return name.endsWith("/")
        ? !inside.some((other) => `/${other}`.includes(`/${name}`))
        : !inside.some((other) => other.endsWith(`/${name}`));
    })
    .map((name) => `${path} names ${name}, which is not in its folder`);
}

function missingExports({ path, text }: RepositoryFile, files: readonly RepositoryFile[]): readonly string[] {
  const manifest = files.find((file) => file.path === `${posix.dirname(path)}/package.json`);
  if (manifest === undefined) return [];
  const { name: packageName, exports = {} } = JSON.parse(manifest.text) as {
    name: string;
    exports?: Record<string, unknown>;
  };
  return Object.keys(exports)
    .filter((name) => name !== "." && !name.includes("*"))
    .filter((name) => !text.includes(name) && !text.includes(`${packageName}${name.slice(1)}`))
    .map((name) => `${path} does not name the export ${name}`);
}
