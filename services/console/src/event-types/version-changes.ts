import type { EventType } from "@posthaste/contracts/event_catalog";
import { diffLines } from "diff";
import { formatted } from "./json-text.ts";

export type DiffLine = {
  /** `gap`: unchanged lines that are left out. */
  readonly kind: "same" | "added" | "removed" | "gap";
  readonly text: string;
};

/** What changed in a part of an event type. */
export type Change = {
  readonly part: "Description" | "Schema" | "Sample" | "Keys";
  /** Undefined: more changed than can be shown line by line. */
  readonly lines: readonly DiffLine[] | undefined;
};

/** Unchanged lines that are shown before and after a change. */
const CONTEXT_LINES = 3;
/** Longer comparisons would block the page; texts with so many changes have little in common. */
const EDITS_MAX = 2_000;

type Version = Pick<EventType, "description" | "schema" | "sampleJson" | "keys">;

/** Returns the parts that differ between two versions, each with its changed lines. */
export function changesBetween(before: Version, after: Version): Change[] {
  const [textsBefore, textsAfter] = [textsOf(before), textsOf(after)];
  const parts = Object.keys(textsBefore) as (keyof typeof textsBefore)[];
  return parts
    .filter((part) => textsBefore[part] !== textsAfter[part])
    .map((part) => ({ part, lines: changedLines(textsBefore[part], textsAfter[part]) }));
}

function textsOf({ description, schema = {}, sampleJson, keys }: Version): Record<Change["part"], string> {
  return {
    Description: description,
    Schema: JSON.stringify(schema, undefined, 2),
    Sample: formatted(sampleJson),
    Keys: keys
      .map(({ pointer, sensitive }) => (sensitive ? `${pointer} (personal data)` : pointer))
      .join("\n"),
  };
}

function changedLines(before: string, after: string): DiffLine[] | undefined {
  // The last line ends like all others, or it would count as changed where another one follows it.
  const changes = diffLines(withEnd(before), withEnd(after), { maxEditLength: EDITS_MAX });
  return changes?.flatMap(({ value, added, removed }, i) => {
    const lines = value.split("\n").slice(0, -1);
    if (added) return lines.map((text) => ({ kind: "added", text }) as const);
    if (removed) return lines.map((text) => ({ kind: "removed", text }) as const);
    return shortened(lines, i > 0, i < changes.length - 1);
  });
}

const withEnd = (text: string) => (text === "" ? "" : `${text}\n`);

/** Leaves out what is far from a change. */
function shortened(lines: readonly string[], followsChange: boolean, precedesChange: boolean): DiffLine[] {
  const same = (texts: readonly string[]) => texts.map((text) => ({ kind: "same", text }) as const);
  const head = followsChange ? CONTEXT_LINES : 0;
  const tail = precedesChange ? CONTEXT_LINES : 0;
  const hidden = lines.length - head - tail;
  if (hidden <= 1) return same(lines);
  const gap = { kind: "gap", text: `${hidden} unchanged lines` } as const;
  return [...same(lines.slice(0, head)), gap, ...same(tail === 0 ? [] : lines.slice(-tail))];
}
