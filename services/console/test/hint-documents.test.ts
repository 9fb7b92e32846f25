import { readFileSync } from "node:fs";
import { Outcome } from "@posthaste/contracts/delivery";
import { expect, test } from "vitest";
import { hintFor } from "../src/delivery/hints.ts";

const document = readFileSync(new URL("../../../docs/receivers.md", import.meta.url), "utf8");
const attempt = (outcome: Outcome, status = 0) => ({
  ...{ outcome, status, address: "", detail: "", responseHeaders: [], responseBody: new Uint8Array() },
});

test("every section that a hint names is in the document", () => {
  const outcomes = Object.values(Outcome).filter((value) => typeof value === "number") as Outcome[];
  const named = outcomes.flatMap((outcome) => hintFor(attempt(outcome))?.more ?? []);
  const sections = named.map((more) => more.replace("docs/receivers.md, section ", ""));
  expect(new Set(sections)).toEqual(new Set(["Answers", "Connections"]));
  for (const section of new Set(sections)) expect(document).toContain(`\n## ${section}\n`);
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
