/** The reasons for which a request is refused. The API maps each to a status. */
export const REFUSAL_CODES = [
  "invalid",
  "unauthenticated",
  "forbidden",
  "not_found",
  "already_exists",
  "wrong_state",
  "too_large",
  "too_many",
  "unprocessable_url",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** One of several mistakes in a request. */
export type RefusedField = {
  /** As in {@link Refusal.field}. */
  readonly field: string;
  readonly message: string;
};

/**
 * A mistake of the caller. Its message tells the caller what is wrong, where, and what to do; it never
 * contains a secret or an internal text. One table of the API maps refusals to Connect codes and to
 * problem+json.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;
  /** The request's field with the mistake, such as `target_url` or `events[3].data_json`. */
  readonly field: string | undefined;
  /** How long to wait before another request may succeed, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** If the request has several mistakes, each mistake that the message names. */
  readonly details: readonly RefusedField[];

  constructor(
    code: RefusalCode,
    message: string,
    options: {
      field?: string;
      retryAfterMs?: number;
      details?: readonly RefusedField[];
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? [];
  }
}
