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

/**
 * Returns whether Posthaste runs on this version of Node.
 *
 * @param version such as `24.21.0`
 */
export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major >= 26 || major === 24 || (major === 22 && minor >= 19);
}
