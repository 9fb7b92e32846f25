/** Why a request was refused: the caller's mistake, and what the edge answers with. */
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

/** One of several things that are wrong with a request. */
export type RefusedField = {
  /** As in {@link Refusal.field}. */
  readonly field: string;
  readonly message: string;
};

/**
 * The caller's mistake. Its message is written for the caller (what was wrong, where, and what to do), so it never
 * holds a secret or an internal text. Mapped to Connect codes and to problem+json in one table of the API.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;
  /** The request's field at fault, such as `target_url` or `events[3].data_json`. */
  readonly field: string | undefined;
  /** When asking again may succeed, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;
  /** Where several things are wrong, each of those that the message names. */
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
