import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "@posthaste/contracts/error-details";

/** The domain of Posthaste's reasons. Whatever else answers for it, such as a proxy, names none of them. */
const DOMAIN = "posthaste";

/**
 * Tells whether a call did not reach Posthaste: there was no answer, or a proxy answered that nobody is
 * behind it (502, 503, 504).
 */
export function isUnreached(error: unknown): boolean {
  const known = ConnectError.from(error);
  const isAnswered = known.findDetails(ErrorInfoSchema).some(({ domain }) => domain === DOMAIN);
  // Browsers throw a TypeError if a connection cannot be made, or breaks.
  return !isAnswered && (known.code === Code.Unavailable || known.cause instanceof TypeError);
}

/** Tells whether the API refused the call's token. */
export function isRefusedToken(error: unknown): boolean {
  return codeOf(error) === Code.Unauthenticated;
}

/** Returns the API's reason for an error, such as `SCHEMA_BREAKS`; empty: it names none. */
export function reasonOf(error: unknown): string {
  const known = ConnectError.from(error).findDetails(ErrorInfoSchema);
  return known.find(({ domain }) => domain === DOMAIN)?.reason ?? "";
}

export function codeOf(error: unknown): Code {
  return ConnectError.from(error).code;
}

/** Returns what an error says to a reader, as a sentence. */
export function wordsOf(error: unknown): string {
  if (isUnreached(error)) return "The server cannot be reached. Try again when it is back.";
  const { rawMessage } = ConnectError.from(error);
  const text = withoutNames(rawMessage === "" ? "unknown error" : rawMessage, refusedFields(error));
  return `${text[0]?.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** Spells the contract's names of fields as words. */
function withoutNames(text: string, fields: readonly { readonly field: string }[]): string {
  return fields.reduce((words, { field }) => words.replaceAll(field, field.replaceAll(/[_.]/g, " ")), text);
}

/** Returns the request's fields that the API refuses, by their names in the contract, and why. */
export function refusedFields(error: unknown): { readonly field: string; readonly why: string }[] {
  if (!(error instanceof ConnectError)) return [];
  return error
    .findDetails(BadRequestSchema)
    .flatMap(({ fieldViolations }) => fieldViolations)
    .map(({ field, description }) => ({ field, why: description }));
}
