import { CHAPTERS } from "../../../packages/egress/test/oddities/chapters.ts";
import type { Oddity } from "../../../packages/egress/test/oddities/oddity.ts";

/** Writes down what comes of the oddities of receivers that `packages/egress` tests. */
export function receiversPage(): string {
  let before = 0;
  const chapters = CHAPTERS.map(({ title, oddities }) => {
    const rows = oddities.map((oddity, n) => row(oddity, before + n + 1));
    before += oddities.length;
    return `## ${title}\n\n| | the receiver … | comes to | by |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Receivers' oddities

<!-- Written by \`npm run generate\` from packages/egress/test/oddities. -->

What comes of receivers that do not behave as usual, and the clause that says so. A test runs every row
against a receiver that does this (\`packages/egress/test/oddities\`). What a receiver sends is tried at once
and byte by byte.

An outcome in \`code\` is that of an attempt; only \`accepted\` ends a delivery well. Only 200 counts, unless
a row says otherwise. *Kept* means that the next attempt uses the same connection, and *closed* that it does
not. An *own bound* is one that the clause lets a client have, and its value is Posthaste's.

${chapters.join("\n")}`;
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
