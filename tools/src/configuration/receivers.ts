import { CHAPTERS } from "../../../packages/egress/test/oddities/chapters.ts";
import type { Oddity } from "../../../packages/egress/test/oddities/oddity.ts";
import { betweenMarks } from "./marks.ts";

/** Replaces the text between a page's marks with what comes of the oddities that `packages/egress` tests. */
export function withOddities(page: string): string {
  let before = 0;
  const chapters = CHAPTERS.map(({ title, oddities }) => {
    const rows = oddities.map((oddity, n) => row(oddity, before + n + 1));
    before += oddities.length;
    return `### ${title}\n\n| | the receiver … | comes to | by |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  const origin = "<!-- Written by `npm run generate` from packages/egress/test/oddities. -->";
  return betweenMarks(page, "oddities", `\n${origin}\n\n${chapters.join("\n")}`);
}

function row({ what, clause, isOwnBound, expected, note }: Oddity, n: number): string {
  const outcome = expected.outcome.includes("subscribed") ? expected.outcome : `\`${expected.outcome}\``;
  const kept = { true: "kept", false: "closed", undefined: undefined }[`${expected.isReused}`];
  const comesTo = [outcome, note, kept].filter((part) => part !== undefined).join(", ");
  const by = isOwnBound ? `${clause}, own bound` : clause;
  return `| ${n} | ${cell(what)} | ${cell(comesTo)} | ${by} |`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
