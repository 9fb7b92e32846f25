/** Must match `engines` in package.json and `tools/start/node-version.mjs`. */
const SUPPORTED = "Node 22.19 or newer (22, 24, 26 and later lines)";

/**
 * Ends the process with one line and exit code 1 if its Node is not supported. This module imports nothing,
 * so an old Node can load it.
 *
 * @param version such as `24.21.0`; default: this process's
 */
export function refuseUnsupportedNode(version: string = process.versions.node): void {
  if (isSupportedNode(version)) return;
  console.error(`posthaste: Node ${version} is not supported: use ${SUPPORTED}`);
  process.exit(1);
}

/** The package in the path of a native module. */
const NATIVE = /node_modules[\\/]((?:@[\w.-]+[\\/])?[\w.-]+)[\\/]\S*\.node\b/;

/**
 * Ends the process with one line and exit code 1 if a module was installed for another Node or another
 * machine, or is missing.
 *
 * @param error of an `import()`
 * @throws any other error
 */
export function explainImport(error: unknown): never {
  const problem = importProblem(error);
  if (problem === undefined) throw error;
  console.error(`posthaste: ${problem}`);
  process.exit(1);
}

/** Returns one sentence about an error of an `import()`; undefined if the installation is not its cause. */
export function importProblem(error: unknown): string | undefined {
  const { code, name, message } = error as { code?: unknown; name?: unknown; message?: unknown };
  // Temporal's SDK names its error if it has no build for the machine.
  if (code === "ERR_DLOPEN_FAILED" || name === "PrebuildError") {
    const [, which = "a module"] = NATIVE.exec(String(message)) ?? [];
    return `the native part of ${which} was installed for another machine or another Node: run npm ci here`;
  }
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    const [, which = ""] = /^Cannot find (?:package|module) '([^']+)'/.exec(String(message)) ?? [];
    return `the module ${which} is missing: run npm ci, then npm run build`;
  }
  return undefined;
}

/**
 * Returns whether Posthaste runs on this version of Node.
 *
 * @param version such as `24.21.0`
 */
export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major >= 26 || major === 24 || (major === 22 && minor >= 19);
}
