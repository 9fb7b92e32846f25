import { readFileSync } from "node:fs";
import { StartError } from "./config.ts";
import { pemProblem } from "./pem.ts";

/**
 * Refuses a file of `NODE_EXTRA_CA_CERTS` with which Node would go on without the authorities in it. Node
 * itself at most warns, and each attempt at a receiver with a private authority would fail.
 */
export function requireExtraAuthorities(env: Readonly<Record<string, string | undefined>>): void {
  const path = env["NODE_EXTRA_CA_CERTS"];
  if (path && pemProblem({ ca: read(path) }) !== undefined) {
    throw new StartError("NODE_EXTRA_CA_CERTS: the file holds no certificate in PEM, or a damaged one");
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`NODE_EXTRA_CA_CERTS: the file cannot be read (${code})`, { cause: error });
  }
}
