import { refusedFields } from "../api/errors.ts";
import { problemOfOptions } from "./more-options.ts";
import type { Draft } from "./subscription-draft.ts";

/** What is wrong with a draft, in the form's words, by field. */
export type DraftProblems = { readonly [Field in keyof Draft]?: string };

const URL_CHARS_MAX = 2_048;
const TYPES_MAX = 64;

/** Returns all problems that can be seen without the API. */
export function problemsOf(draft: Draft): DraftProblems {
  const url = draft.targetUrl.trim();
  const more = problemOfOptions(draft.more);
  return {
    ...(!/^https?:\/\/\S+$/.test(url) && { targetUrl: "Enter a URL that starts with https:// or http://." }),
    ...(url.length > URL_CHARS_MAX && { targetUrl: "Enter a URL of at most 2,048 characters." }),
    ...(draft.eventTypes.length === 0 && { eventTypes: "Choose at least one event type." }),
    ...(draft.eventTypes.length > TYPES_MAX && {
      eventTypes: "Choose at most 64 event types, or all of them.",
    }),
    ...(!isBetween(draft.timeoutS, 1, 30) && { timeoutS: "Enter 1 to 30 seconds." }),
    ...(!isLimit(draft.ratePerSecond, 0.01) && { ratePerSecond: "Enter 0.01 to 1,000, or nothing." }),
    ...(!(isLimit(draft.concurrency, 1) && Number.isInteger(Number(draft.concurrency))) && {
      concurrency: "Enter a whole number from 1 to 1,000, or nothing.",
    }),
    ...(more !== "" && { more }),
  };
}

/** The form's fields by their names in the contract, and what the form calls them. */
const FIELDS: Readonly<Record<string, readonly [keyof Draft, string]>> = {
  target_url: ["targetUrl", "Target URL"],
  event_types: ["eventTypes", "Event types"],
  description: ["description", "Description"],
  secret: ["secret", "Receiver credential"],
  timeout: ["timeoutS", "Attempt timeout"],
  "rate_limit.per_second": ["ratePerSecond", "Attempts per second"],
  concurrency: ["concurrency", "Concurrent attempts"],
  "rate_limit.burst": ["more", "Burst"],
  headers: ["more", "Headers"],
  header_changes: ["more", "Headers"],
  metadata: ["more", "Metadata"],
};

/** Returns what the API refuses, by field, and what it says of fields that the form does not have. */
export function problemsIn(error: unknown): { fields: DraftProblems; others: string[] } {
  const fields: { -readonly [Field in keyof Draft]?: string } = {};
  const others: string[] = [];
  for (const { field, why } of refusedFields(error)) {
    const known = FIELDS[field.replace(/\[\d+\]$/, "")];
    if (known === undefined) others.push(sentence(why.startsWith(field) ? why : `${field} ${why}`));
    else fields[known[0]] ??= sentence(inFormWords(why.startsWith(field) ? why : `${field} ${why}`));
  }
  return { fields, others };
}

/** Names the fields as the form does, at the start of a text and, if a name is no everyday word, within. */
function inFormWords(text: string): string {
  return Object.entries(FIELDS).reduce((words, [name, [, label]]) => {
    const anywhere = /[_.]/.test(name) || name === "secret";
    return words.replaceAll(new RegExp(`${anywhere ? "\\b" : "^"}${name}(?:\\[\\d+\\])?(?!\\w)`, "g"), label);
  }, text);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function isBetween(text: string, min: number, max: number): boolean {
  return text.trim() !== "" && Number(text) >= min && Number(text) <= max;
}

/** Nothing, or 0, is no limit. */
function isLimit(text: string, min: number): boolean {
  return text.trim() === "" || Number(text) === 0 || isBetween(text, min, 1_000);
}
