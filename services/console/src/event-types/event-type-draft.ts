import type { JsonObject } from "@bufbuild/protobuf";
import type { EventType } from "@posthaste/contracts/event_catalog";
import { formatted, problemOfJson } from "./json-text.ts";
import type { Key } from "./sample-keys.ts";

/** What the form of an event type holds. */
export type EventTypeDraft = {
  readonly code: string;
  readonly description: string;
  readonly schemaText: string;
  readonly sampleText: string;
  readonly keys: readonly Key[];
  /** Whether every account sees it. */
  readonly isShared: boolean;
};

export type DraftField = "code" | "description" | "schema" | "sample" | "keys";
export type FieldProblem = {
  readonly field: DraftField;
  readonly text: string;
  /** The line of the field's text, from 1. Default: not known. */
  readonly line?: number;
};

export const NEW_EVENT_TYPE: EventTypeDraft = {
  code: "",
  description: "",
  schemaText: formatted('{"type":"object","required":["ID"],"properties":{"ID":{"type":"integer"}}}'),
  sampleText: formatted('{"ID":1}'),
  keys: [],
  isShared: false,
};

/** The form of a code, as in the contract. */
const CODE = /^[a-z][a-z0-9_]*([.-][a-z0-9_]+)*$/;

export function draftOfType(eventType: EventType): EventTypeDraft {
  const { code, description, schema = {}, sampleJson, keys, shared } = eventType;
  return {
    ...{ code, description, keys: keys.map(keyOf), isShared: shared },
    schemaText: JSON.stringify(schema, undefined, 2),
    sampleText: formatted(sampleJson),
  };
}

/** Returns what can be told without the API: nothing else is asked while there is such a problem. */
export function problemsOfDraft({ code, schemaText, sampleText }: EventTypeDraft): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (code === "") problems.push({ field: "code", text: "Enter a code, such as parcel_sent." });
  else if (!CODE.test(code)) {
    const text = "Use lower-case letters, digits and _, in parts that one dot or dash separates.";
    problems.push({ field: "code", text });
  }
  const texts = [
    ["schema", schemaText],
    ["sample", sampleText],
  ] as const;
  for (const [field, text] of texts) {
    const problem = problemOfJson(text);
    if (problem !== undefined) problems.push({ field, ...problem });
  }
  return problems;
}

export function isSame(one: EventTypeDraft, other: EventTypeDraft): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** @param draft one whose texts are JSON objects */
export function createRequestOf(draft: EventTypeDraft) {
  const { code, isShared } = draft;
  return { code, ...textsOf(draft), keys: draft.keys.map(keyOf), shared: isShared };
}

/** @param draft one whose texts are JSON objects */
export function updateRequestOf(draft: EventTypeDraft) {
  return { code: draft.code, ...textsOf(draft), keys: { keys: draft.keys.map(keyOf) } };
}

function textsOf({ description, schemaText, sampleText }: EventTypeDraft) {
  return { description, schema: JSON.parse(schemaText) as JsonObject, sampleJson: sampleText };
}

const keyOf = ({ pointer, sensitive }: Key): Key => ({ pointer, sensitive });
