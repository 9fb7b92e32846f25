/**
 * The supported versions, as shown to users. A test keeps them equal to package.json's `engines` and to
 * `@posthaste/runtime`.
 */
export const SUPPORTED = "Node 22.19 or newer (22, 24, 26 and later lines)";

/**
 * Tells whether a release of Node is supported: its release line gets long-term support, and the dependencies
 * accept it. undici 8 needs 22.19.
 *
 * @param {string} version such as `24.21.0`
 * @returns {boolean}
 */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major >= 26 || major === 24 || (major === 22 && minor >= 19);
}
