import { Refusal } from "@posthaste/domain";
import { FIELDS_MAX } from "../http/limits.ts";

/** The fields of a request, from JSON or a form. {@link textField} checks a value's type when it is read. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws Refusal `invalid` if there is no body */
export function fieldsOf(body: unknown): Fields {
  if (typeof body !== "object" || body === null) {
    throw new Refusal(
      "invalid",
      'the body is missing; send {"target_url":"https://…","event":"invoice_sent"}',
      { reason: "MESSAGE_UNREADABLE" },
    );
  }
  return body as Fields;
}

/** @throws Refusal `invalid` if the field is not a string, or is missing and has no fallback */
export function textField(fields: Fields, name: string, fallback?: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (value === undefined || value === null) {
    if (fallback !== undefined) return fallback;
    throw new Refusal("invalid", `${name} is missing`, { field: name });
  }
  if (typeof value === "string") return value;
  throw new Refusal("invalid", `${name} must be a single string`, { field: name });
}

/** @throws Refusal `invalid` if the body is not a JSON object in UTF-8 */
export function fromJson(body: Buffer): Fields {
  const text = decode(body);
  if (text.trim() === "") return fieldsOf(undefined);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal("invalid", "the body is not valid JSON; check its quotes, commas and braces", {
      reason: "MESSAGE_UNREADABLE",
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(
      "invalid",
      'the body must be a JSON object such as {"target_url":"https://…","event":"…"}',
      { reason: "MESSAGE_UNREADABLE" },
    );
  }
  return value as Fields;
}

/**
 * Reads a form.
 *
 * @throws Refusal `invalid` if the body is not UTF-8, or has more than 100 fields
 */
export function fromForm(body: Buffer): Fields {
  return fromPairs(decode(body));
}

/**
 * Reads the query of a URL.
 *
 * @throws Refusal `invalid` if its percent-encoded bytes are not UTF-8
 */
export function fromQuery(url: string): Fields {
  const start = url.indexOf("?");
  return fromPairs(start === -1 ? "" : url.slice(start + 1));
}

/** A repeated field keeps all its values, so {@link textField} refuses it. */
function fromPairs(text: string): Fields {
  // Counted before it is read: that takes more than a second for a megabyte of names.
  if (text.split("&", FIELDS_MAX + 1).length > FIELDS_MAX) {
    throw new Refusal("invalid", `there are more than ${FIELDS_MAX} fields; send only those you need`);
  }
  const fields: Record<string, unknown> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    // URLSearchParams replaces invalid UTF-8 by this character; storing it would store a different URL.
    if (value.includes("\ufffd")) {
      throw new Refusal("invalid", `${name.slice(0, 80)} holds bytes that are not UTF-8`, {
        field: name.slice(0, 80),
      });
    }
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = [before, value];
  }
  return fields;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new Refusal("invalid", "the body is not valid UTF-8", { reason: "MESSAGE_UNREADABLE" });
  }
}
