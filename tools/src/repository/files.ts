import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** A file of ours, by its path from the root. */
export type RepositoryFile = { readonly path: string; readonly text: string };

/** What is committed or about to be, without what git ignores and what is not text. */
export function repositoryFiles(): readonly RepositoryFile[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && !/\.(binpb|png)$/.test(path) && existsSync(join(ROOT, path)))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** Code that people write: TypeScript and JavaScript, without what is generated. */
export function isSource({ path }: RepositoryFile): boolean {
  return /\.(ts|tsx|mts|mjs|js)$/.test(path) && !path.includes("/src/gen/");
}

/** Tests, and what only they use. */
export function isTest({ path }: RepositoryFile): boolean {
  return (
    /\.test\.ts$/.test(path) ||
    /^(packages|services)\/[^/]+\/test\//.test(path) ||
    path.startsWith("tools/test/")
  );
}

/** The folder of the workspace package that a file is in, such as `packages/domain`; undefined: the root. */
export function packageFolderOf({ path }: RepositoryFile): string | undefined {
  return /^(?:(?:packages|services)\/[^/]+|tools)(?=\/)/.exec(path)?.[0];
}
