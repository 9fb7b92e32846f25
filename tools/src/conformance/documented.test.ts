import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../repository/files.ts";
import { REMAINING } from "./h2spec-remaining.ts";
import { PINS } from "./toolchains.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const page = read("docs/faults.md");

test("the page has the pinned version of each suite", () => {
  const pins = read(join(PINS, "go.mod")) + read(join(PINS, "requirements.txt"));
  const pinned = (pattern: RegExp) => pattern.exec(pins)?.[1] ?? "no version";
  expect(page).toContain(`Schemathesis ${pinned(/^schemathesis==(\S+)/m)} `);
  expect(page).toContain(`h2spec ${pinned(/summerwind\/h2spec v([\d.]+)/)} `);
  expect(page).toContain(`connectconformance ${pinned(/connectrpc\.com\/conformance v([\d.]+)/)} `);
});

test("the page has each case of h2spec that remains, and whose it is", () => {
  const rows = page.split("\n").filter((line) => /^\| (?:generic|http2|hpack)\//.test(line));
  expect(rows).toEqual(Object.entries(REMAINING).map(([name, whose]) => `| ${name} | ${whose} |`));
});
