import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const docs = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), "utf8");

/** The sections of the runbook, by the anchor of their heading. */
const sections = new Map(
  docs("operations.md")
    .split(/^(?=#{2,3} )/m)
    .map((section) => [anchorOf(section.split("\n", 1)[0] ?? ""), section]),
);
const alerts = docs("monitoring/alerts.yaml")
  .split(/^ +- alert: /m)
  .slice(1)
  .map((rule) => ({
    name: rule.split("\n", 1)[0] ?? "",
    anchor: /runbook: operations\.md#(\S+)/.exec(rule)?.[1] ?? "",
  }));

/** Returns the anchor that a heading of Markdown has on a page. */
function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replaceAll(/[^a-z ]/g, "")
    .replaceAll(" ", "-");
}

test("every alert names a section of operations.md, and that section names the alert", () => {
  expect(alerts.length).toBeGreaterThan(10);
  const wrong = alerts.filter(({ name, anchor }) => !sections.get(anchor)?.includes(`\`${name}\``));
  expect(wrong).toEqual([]);
});

test("every migration after the first has its row in the section on upgrades", () => {
  const folder = new URL("../../../packages/store/src/database/migrations", import.meta.url);
  const names = readdirSync(folder).flatMap((file) => /^(\d{4}-.*)\.ts$/.exec(file)?.[1] ?? []);
  expect(names.length).toBeGreaterThan(5);
  const later = names.filter((name) => name > "0002");
  expect(later.filter((name) => !sections.get("upgrade")?.includes(`| \`${name}\` |`))).toEqual([]);
});

test("every metric of operations.md has a panel in the dashboard", () => {
  const metrics =
    sections
      .get("metrics")
      ?.match(/^\| `posthaste_\w+`/gm)
      ?.map((row) => row.slice(3, -1)) ?? [];
  expect(metrics.length).toBeGreaterThan(20);
  const shown = docs("monitoring/dashboard.json").match(/\bposthaste_\w+/g) ?? [];
  const names = new Set(shown.map((name) => name.replace(/_bucket$/, "")));
  expect(metrics.filter((name) => !names.has(name))).toEqual([]);
});
