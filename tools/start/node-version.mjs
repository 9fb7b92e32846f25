const NEEDED = { major: 20, minor: 19 };

/**
 * One line for a Node that is too old; undefined where it will do.
 *
 * @param {string} version such as `20.20.2`
 * @returns {string | undefined}
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)) return undefined;
  return `needs Node ${NEEDED.major}.${NEEDED.minor} or newer, and this is ${version}: install one from nodejs.org or with your version manager`;
}
