import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
const documents = files.filter((file) => file.endsWith(".md"));

test("every test that a document names is there", () => {
  const tests = new Set(files.filter((file) => file.endsWith(".test.ts")).map((file) => basename(file)));
  const named = documents.flatMap((file) =>
    [...readFileSync(`${root}${file}`, "utf8").matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, name = ""]) => ({
      file,
      name,
    })),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ name }) => !tests.has(basename(name)))).toEqual([]);
});

test("every attack in SECURITY.md says what tests its defence", () => {
  const table =
    readFileSync(`${root}docs/SECURITY.md`, "utf8").split("\n## Attacks")[1]?.split("\n## ")[0] ?? "";
  const rows = table
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => !row.split(" | ").at(-1)?.includes("`"))).toEqual([]);
});
