import { Refusal } from "@posthaste/domain";

/** The fields of a request, from either kind of body. Values are of any type until they are asked for. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws Refusal `invalid` for a body that is not there */
export function fieldsOf(body: unknown): Fields {
  if (typeof body !== "object" || body === null) {
    throw new Refusal(
      "invalid",
      'the body is missing; send {"target_url":"https://…","event":"invoice_sent"}',
    );
  }
  return body as Fields;
}

/** @throws Refusal `invalid` where the field is not a text, or is missing without a fallback */
export function textField(fields: Fields, name: string, fallback?: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (value === undefined || value === null) {
    if (fallback !== undefined) return fallback;
    throw new Refusal("invalid", `${name} is missing`, { field: name });
  }
  if (typeof value === "string") return value;
  throw new Refusal("invalid", `${name} must be a text, once`, { field: name });
}

/** @throws Refusal `invalid` for what is no JSON object in UTF-8 */
export function fromJson(body: Buffer): Fields {
  const text = decode(body);
  if (text.trim() === "") return fieldsOf(undefined);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal("invalid", "the body is not valid JSON; check its quotes, commas and braces");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(
      "invalid",
      'the body must be a JSON object such as {"target_url":"https://…","event":"…"}',
    );
  }
  return value as Fields;
}

/**
 * A name that comes twice keeps both values, and so is refused where one text is asked for.
 *
 * @throws Refusal `invalid` for what is not UTF-8
 */
export function fromForm(body: Buffer): Fields {
  const form = new URLSearchParams(decode(body));
  const fields: Record<string, unknown> = Object.create(null);
  for (const name of new Set(form.keys())) {
    const values = form.getAll(name);
    // What a form's reader puts where bytes are not UTF-8; storing it would store another URL.
    if (values.some((value) => value.includes("\ufffd"))) {
      throw new Refusal("invalid", `${name.slice(0, 80)} holds bytes that are not UTF-8`, {
        field: name.slice(0, 80),
      });
    }
    fields[name] = values.length === 1 ? values[0] : values;
  }
  return fields;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new Refusal("invalid", "the body is not valid UTF-8");
  }
}
