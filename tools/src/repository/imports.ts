import { posix } from "node:path";
import type { RepositoryFile } from "./files.ts";

/** An import or re-export. */
export type Import = {
  /** As written in the source. */
  readonly specifier: string;
  /** The imported file's path from the root, for a relative import; undefined for a package. */
  readonly path: string | undefined;
  /** The package's name, such as `@scope/name` or `node:fs`; undefined for a relative import. */
  readonly packageName: string | undefined;
  /** True for `import type` and `export type`, which disappear when compiled. */
  readonly typeOnly: boolean;
};

/** Finds import and export statements at the beginning of a line. */
const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^;"'`]*?\sfrom\s+)?"([^"]+)"/gm;
/** Finds dynamic imports anywhere. */
const DYNAMIC = /\b(?:import|require\.resolve)\(\s*"([^"]+)"/g;

export function importsOf({ path, text }: RepositoryFile): readonly Import[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    const relative = specifier.startsWith(".");
    found.push({
      specifier,
      path: relative ? posix.join(posix.dirname(path), specifier) : undefined,
      packageName: relative ? undefined : packageNameOf(specifier),
      typeOnly,
    });
  };
  for (const [, type, specifier = ""] of code.matchAll(STATEMENT)) add(specifier, type !== undefined);
  for (const [, specifier = ""] of code.matchAll(DYNAMIC)) add(specifier, false);
  return found;
}

function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}
