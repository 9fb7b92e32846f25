import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-folder-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("a folder is created with those above it and their permissions, and again without harm", () => {
  makeFolder(join(dir, "a/b/c"), 0o700);
  makeFolder(join(dir, "a/b/c"));
  expect(statSync(join(dir, "a/b/c")).isDirectory()).toBe(true);
  expect(statSync(join(dir, "a")).mode & 0o777).toBe(0o700);
});

test("a link to a folder is one", () => {
  symlinkSync(dir, join(dir, "link"));
  makeFolder(join(dir, "link"));
  makeFolder(join(dir, "link/a"));
  expect(existsSync(join(dir, "a"))).toBe(true);
});

test("a path over a file is refused", () => {
  writeFileSync(join(dir, "file"), "");
  expect(() => makeFolder(join(dir, "file"))).toThrow("EEXIST");
  expect(() => makeFolder(join(dir, "file/a/b"))).toThrow("ENOTDIR");
});

test("a link to nothing is refused", () => {
  symlinkSync(join(dir, "nothing"), join(dir, "link"));
  expect(() => makeFolder(join(dir, "link"))).toThrow("ENOENT");
  expect(() => makeFolder(join(dir, "link/a"))).toThrow("ENOENT");
});

test("a path below a folder that takes no new ones is refused", () => {
  // On Linux the file system of processes says ENOENT; elsewhere the root cannot be written.
  expect(() => makeFolder("/proc/posthaste/a/b")).toThrow(/^(ENOENT|EROFS|EACCES)/);
});
