import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unknownSettings } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { repositoryFiles } from "../repository/files.ts";
import { generatedDocuments } from "./documents.ts";
import { documentedSettings } from "./settings.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

test.each(generatedDocuments())(
  "$path is up to date with the code (otherwise run npm run generate)",
  async ({ path, text }) => {
    expect(await readFile(join(root, path), "utf8")).toBe(text);
  },
);

test("a setting that both services read is listed once", () => {
  const settings = documentedSettings();
  expect(settings.find(({ name }) => name === "DATABASE_URL")?.readBy).toEqual(["API", "worker"]);
  expect(new Set(settings.map(({ name }) => name)).size).toBe(settings.length);
});

test("every variable of ours that the code reads is known, so that no process refuses it", () => {
  const read = /\benv(?:\.|\[")(POSTHASTE_[A-Z0-9_]+)/g;
  const names = repositoryFiles()
    .filter(({ path }) => /\.(ts|mjs)$/.test(path) && !/\.test\.ts$/.test(path))
    .flatMap(({ text }) => [...text.matchAll(read)].map(([, name = ""]) => name));
  expect(names).not.toEqual([]);
  expect(unknownSettings(Object.fromEntries(names.map((name) => [name, "1"])))).toEqual([]);
});
