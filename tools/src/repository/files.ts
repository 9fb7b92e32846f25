import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder, with a trailing slash. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** A text file of the repository; its path is relative to the root. */
export type RepositoryFile = { readonly path: string; readonly text: string };

/** Reads every text file that is committed or untracked, except the files that git ignores. */
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

/** Tells whether a file is handwritten TypeScript or JavaScript. */
export function isSource({ path }: RepositoryFile): boolean {
  return /\.(ts|tsx|mts|mjs|js)$/.test(path) && !path.includes("/src/gen/");
}

/** Tells whether a file is a test or is used only by tests. */
export function isTest({ path }: RepositoryFile): boolean {
  return (
    /\.test\.ts$/.test(path) ||
    /^(packages|services)\/[^/]+\/test\//.test(path) ||
    path.startsWith("tools/test/")
  );
}

/** Returns the folder of a file's workspace package, such as `packages/domain`; undefined for the root. */
export function packageFolderOf({ path }: RepositoryFile): string | undefined {
  return /^(?:(?:packages|services)\/[^/]+|tools)(?=\/)/.exec(path)?.[0];
}
