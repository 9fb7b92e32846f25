import { Code } from "@connectrpc/connect";
import { codeOf, reasonOf, refusedFields, wordsOf } from "../api/errors.ts";
import type { DraftField, EventTypeDraft, FieldProblem } from "./event-type-draft.ts";
import { lineOf } from "./json-text.ts";

/** What a change would break for receivers, and where: a JSON Pointer, or empty. */
export type Break = { readonly place: string; readonly text: string };

/** What the API says of a draft. */
export type CheckAnswer =
  | { readonly kind: "fits"; readonly text: string }
  | { readonly kind: "breaks"; readonly breaks: readonly Break[]; readonly mayBeMore: boolean }
  | { readonly kind: "wrong"; readonly problem: FieldProblem }
  /** The API did not check it, or refuses it for a reason that no field can mend. */
  | { readonly kind: "unchecked"; readonly text: string };

/** The API names at most as many. */
const BREAKS_NAMED = 10;

export function answerOfError(error: unknown, draft: EventTypeDraft): CheckAnswer {
  const refused = refusedFields(error);
  if (reasonOf(error) === "SCHEMA_BREAKS") {
    const breaks = refused.map(({ why }) => breakOf(why));
    return { kind: "breaks", breaks, mayBeMore: breaks.length >= BREAKS_NAMED };
  }
  const [first] = refused;
  const field = first === undefined ? undefined : fieldOf(first.field);
  if (field === undefined) {
    const isBusy = codeOf(error) === Code.ResourceExhausted;
    return { kind: "unchecked", text: isBusy ? `This was not checked. ${wordsOf(error)}` : wordsOf(error) };
  }
  return { kind: "wrong", problem: { field, ...spelled(wordsOf(error), field, draft) } };
}

/** A break is a sentence that begins with its place. */
function breakOf(sentence: string): Break {
  const [, place = "", text = sentence] = /^(\/\S*) (.*)$/s.exec(sentence) ?? [];
  return { place, text };
}

function fieldOf(name: string): DraftField | undefined {
  if (name.startsWith("keys")) return "keys";
  if (name === "sample_json") return "sample";
  return name === "code" || name === "description" || name === "schema" ? name : undefined;
}

/** Names the fields as the form does, and the line of the place that the API names. */
function spelled(words: string, field: DraftField, { schemaText, sampleText }: EventTypeDraft) {
  const text = words.replace(/^Sample json/, "The sample").replace(/^Schema/, "The schema");
  const pointer = /: (\/\S*)/.exec(words)?.[1];
  if (pointer === undefined || (field !== "schema" && field !== "sample")) return { text };
  return { text, line: lineOf(field === "schema" ? schemaText : sampleText, pointer) };
}
