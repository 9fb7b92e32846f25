import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { explainImport, importProblem } from "./supported-node.ts";

test("a native module of another machine is explained in one sentence that names its package", async () => {
  const dir = await mkdtemp(join(tmpdir(), "posthaste-native-"));
  try {
    const native = join(dir, "node_modules/@scope/bridge/releases/index.node");
    await mkdir(join(native, ".."), { recursive: true });
    await writeFile(native, "built for another machine");
    const error = thrownBy(() => createRequire(native)(native));
    expect(importProblem(error)).toBe(
      "the native part of @scope/bridge was installed for another machine or another Node: run npm ci here",
    );
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a missing module is explained in one sentence", () => {
  const error = thrownBy(() => createRequire(import.meta.url)("posthaste-no-such-module"));
  expect(importProblem(error)).toBe(
    "the module posthaste-no-such-module is missing: run npm ci, then npm run build",
  );
});

test("any other error of an import is thrown again", () => {
  const error = new TypeError("a bug");
  expect(() => explainImport(error)).toThrow(error);
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
