/** What a person reads of it. package.json's `engines` and `@posthaste/runtime` say the same; a test holds them to it. */
export const SUPPORTED = "Node 22.19 or newer (22, 24, 26 and later lines)";

/**
 * Whether a line of Node gets fixes for years, and the dependencies support the release: undici 8 asks for 22.19.
 *
 * @param {string} version such as `24.21.0`
 * @returns {boolean}
 */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major >= 26 || major === 24 || (major === 22 && minor >= 19);
}
