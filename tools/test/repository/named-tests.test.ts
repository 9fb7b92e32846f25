import { basename } from "node:path";
import { expect, test } from "vitest";
import { isTest, repositoryFiles } from "../../src/repository/files.ts";

const files = repositoryFiles();

test("every test that a document names is there", () => {
  const tests = new Set(files.filter(isTest).map(({ path }) => basename(path)));
  const named = files
    .filter(({ path }) => path.endsWith(".md"))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, name = ""]) => ({ path, name })),
    );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ name }) => !tests.has(basename(name)))).toEqual([]);
});

test("every attack in SECURITY.md says what tests its defence", () => {
  const security = files.find(({ path }) => path === "docs/SECURITY.md")?.text ?? "";
  const table = security.split("\n## Attacks")[1]?.split("\n## ")[0] ?? "";
  const rows = table
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => !row.split(" | ").at(-1)?.includes("`"))).toEqual([]);
});
