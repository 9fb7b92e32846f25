import { posix } from "node:path";
import type { RepositoryFile } from "./files.ts";

/** One import or re-export of a module. */
export type Import = {
  /** As it is written. */
  readonly specifier: string;
  /** For a relative one, the imported file's path from the root; undefined for a package. */
  readonly path: string | undefined;
  /** The package's name, such as `@scope/name` or `node:fs`; undefined for a relative one. */
  readonly packageName: string | undefined;
  /** Gone once compiled. */
  readonly typeOnly: boolean;
};

/** Statements that begin a line, and dynamic imports anywhere. */
const STATEMENT = /^(?:import|export)\s+(type\s)?(?:[^;"'`]*?\sfrom\s+)?"([^"]+)"/gm;
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
