/**
 * Lines of Node that get fixes for years, from the first release of each that the dependencies support
 * (undici 8 asks for 22.19). A line with an odd number is no such line.
 */
const OLDEST = { major: 22, minor: 19 };

/** What a person reads of it. package.json's `engines` says the same. */
export const SUPPORTED = "Node 22.19 or newer, of a line with an even number";

/**
 * @param {string} version such as `24.21.0`
 * @returns {boolean}
 */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major % 2 === 0 && (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor));
}
