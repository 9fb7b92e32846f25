import { readFileSync } from "node:fs";
import { Outcome } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { guideSections } from "../build/guide.ts";
import { hintFor } from "../src/delivery/hints.ts";
import { guideAddress } from "../src/guide/guide-address.ts";

const document = readFileSync(new URL("../../../docs/receivers.md", import.meta.url), "utf8");
const sections = guideSections(document);
const html = sections.map((section) => section.html).join("");
const ids = [...sections.map(({ id }) => id), ...[...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)];

const attempt = (outcome: Outcome, status = 0) => ({
  ...{ outcome, status, address: "", detail: "", responseHeaders: [], responseBody: new Uint8Array() },
});

test("every section that the console leads to is in the guide", () => {
  const outcomes = Object.values(Outcome).filter((value) => typeof value === "number") as Outcome[];
  const hinted = new Set(outcomes.flatMap((outcome) => hintFor(attempt(outcome))?.section ?? []));
  expect(hinted).toEqual(new Set(["answers", "connections"]));
  expect(sections.map(({ id }) => id)).toEqual(expect.arrayContaining([...hinted, "verify-deliveries"]));
  expect(guideAddress("answers")).toBe("/guide/receivers#answers");
});

test("a hint leads to the row that applies, if there is one", () => {
  const outcomes = Object.values(Outcome).filter((value) => typeof value === "number") as Outcome[];
  const answered = [Outcome.STATUS, Outcome.REDIRECT, Outcome.GONE, Outcome.ACCEPTED];
  const page = {
    responseHeaders: [
      { name: "content-type", value: "text/html", $typeName: "posthaste.v1.Header" as const },
    ],
    responseBody: new TextEncoder().encode("<!doctype html>"),
  };
  const hints = outcomes.flatMap((outcome) => {
    const statuses = answered.includes(outcome) ? Array.from({ length: 500 }, (_, i) => i + 100) : [0];
    return statuses.flatMap((status) => [
      hintFor(attempt(outcome, status)) ?? [],
      hintFor({ ...attempt(outcome, status), ...page }) ?? [],
    ]);
  });
  const led = new Set(hints.flat().map(({ section, row }) => guideAddress(section, row).split("#")[1]));
  expect([...led].filter((id) => !ids.includes(id))).toEqual([]);
  for (const id of ["answers-503", "answers-301", "answers-another-2xx", "connections-tls-error"])
    expect(led).toContain(id);
  // All rows of answers, and the kinds of connections.
  expect(led.size).toBeGreaterThan(34);
  expect(hintFor(attempt(Outcome.STATUS, 418))).toMatchObject({ section: "answers", row: undefined });
});

test("every status with a hint of its own has a row in the section on answers", () => {
  const statuses = Array.from({ length: 500 }, (_, i) => i + 100);
  const hints = statuses.map((status) => hintFor(attempt(Outcome.STATUS, status))?.text ?? "");
  const withOwn = statuses.filter((status, i) => {
    const isGeneral = /counts as delivered|only 200 as delivered|error of its own/.test(hints[i] ?? "");
    return !isGeneral || status === 201;
  });
  expect(withOwn.length).toBeGreaterThan(12);
  expect(withOwn.filter((status) => !new RegExp(`\n\\| (\\d+, )*${status}\\b`).test(document))).toEqual([]);
});

test("every link of the guide leads to one of its headings, and no two headings have the same id", () => {
  const links = [...html.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => href);
  expect(links).toContain("#verify-deliveries");
  expect(links.filter((href) => !ids.includes(href?.slice(1)))).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
});

test("the guide names neither Posthaste nor what only the repository has, since customers read it", () => {
  expect(html).not.toMatch(/posthaste|npm run|\btokens?\b|repository|packages\/|tools\/|examples\//i);
  expect(html).not.toContain("<!--");
});

test("a link to another document is plain text", () => {
  const [section] = guideSections("## A\n\n[trust it](operations.md#ca), [c](https://c.example)\n");
  expect(section?.html).toBe("<p>trust it, c</p>\n");
});

test("tables and code can be scrolled by the keyboard, and are named after their heading", () => {
  const [section] = guideSections(
    "## A & B\n\n| | b |\n|---|---|\n| 1 | `<2>` |\n\n### C\n\n```\n<d>\n```\n",
  );
  const [table, code] = section?.html.match(/<section.*?<\/section>/gs) ?? [];
  expect(table).toBe(
    '<section tabindex="0" aria-label="A &amp; B"><table><thead><tr><td></td><th scope="col">b</th></tr>' +
      '</thead><tbody><tr><td><span id="a--b-1" tabindex="-1"></span>1</td>' +
      '<td data-label="b"><code>&lt;2&gt;</code></td></tr></tbody></table></section>',
  );
  expect(code).toBe('<section tabindex="0" aria-label="C"><pre>&lt;d&gt;</pre></section>');
});

test("HTML in the guide fails its build", () => {
  expect(() => guideSections("## A\n\n<img src=x>\n")).toThrow("the guide has HTML, <img src=x>");
});
