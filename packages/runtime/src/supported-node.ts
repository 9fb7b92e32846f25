/** What a person reads of it. The `engines` of package.json and the front door's `node-version.mjs` say the same. */
const SUPPORTED = "Node 22.19 or newer (22, 24, 26 and later lines)";

/**
 * Ends the process with one line where its Node is not supported. This module imports nothing, so that an old Node can
 * read it.
 */
export function refuseUnsupportedNode(version: string = process.versions.node): void {
  if (isSupportedNode(version)) return;
  console.error(`posthaste: this is Node ${version}: it needs ${SUPPORTED}`);
  process.exit(1);
}

/** @param version such as `24.21.0` */
export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major >= 26 || major === 24 || (major === 22 && minor >= 19);
}
