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
  "unavailable",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/**
 * Each code's reasons, for programs; the first is the default. The names are those of `ErrorReason` in the
 * contracts, which say what they mean.
 */
export const REFUSAL_REASONS = {
  invalid: [
    "FIELD_INVALID",
    "FIELD_UNKNOWN",
    "MESSAGE_UNREADABLE",
    "EVENT_TYPE_UNKNOWN",
    "PAGE_TOKEN_INVALID",
    "SCHEMA_INVALID",
    "SCHEMA_TOO_COSTLY",
    "SCHEMA_VIOLATED",
  ],
  unauthenticated: ["TOKEN_INVALID", "TOKEN_MISSING", "LINK_INVALID", "ACCOUNT_ERASED"],
  forbidden: ["SCOPE_MISSING"],
  not_found: ["NOT_FOUND", "EVENT_TYPE_UNKNOWN"],
  already_exists: ["ALREADY_EXISTS", "EVENT_TYPE_EXISTS", "IDEMPOTENCY_KEY_REUSED", "SUBSCRIPTION_EXISTS"],
  wrong_state: [
    "WRONG_STATE",
    "ACCOUNT_ERASED",
    "CONFLICT",
    "CURSOR_LOST",
    "EVENT_TYPE_ARCHIVED",
    "EVENT_TYPE_BUILT_IN",
    "HELD_BY_OPERATOR",
    "INBOXES_DISABLED",
    "SCHEMA_BREAKS",
    "SUBSCRIPTION_ENDED",
  ],
  too_large: ["MESSAGE_TOO_LARGE", "SNAPSHOT_TOO_LARGE"],
  too_many: [
    "LIMIT_REACHED",
    "RATE_LIMITED",
    "CHANGES_FULL",
    "REQUESTS_FULL",
    "STREAMS_FULL",
    "BODIES_FULL",
    "COMPUTING_FULL",
    "SUBSCRIPTIONS_FULL",
    "HOST_UNPROVEN",
    "RECOVERIES_FULL",
    "RESENDS_FULL",
    "CATALOGUE_FULL",
    "INBOXES_FULL",
  ],
  unprocessable_url: ["URL_NOT_ALLOWED"],
  unavailable: ["SERVER_BUSY", "DATABASE_UNAVAILABLE", "KEY_UNAVAILABLE"],
} as const satisfies Record<RefusalCode, readonly [string, ...string[]]>;
export type RefusalReason<Code extends RefusalCode = RefusalCode> = (typeof REFUSAL_REASONS)[Code][number];

/** One of several mistakes in a request. */
export type RefusedField = {
  /** As in {@link Refusal.field}. */
  readonly field: string;
  readonly message: string;
};

/**
 * A request that is not served, mostly by a mistake of the caller. Its message tells the caller what is
 * wrong, where, and what to do; it never contains a secret or an internal text. One table of the API maps
 * refusals to Connect codes and to problem+json.
 */
export class Refusal<Code extends RefusalCode = RefusalCode> extends Error {
  override readonly name = "Refusal";
  readonly code: Code;
  readonly reason: RefusalReason<Code>;
  /** What a program needs besides the reason, such as a limit; never a caller's text. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The request's field with the mistake, such as `target_url` or `events[3].data_json`. */
  readonly field: string | undefined;
  /** How long to wait before another request may succeed, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** If the request has several mistakes, each mistake that the message names. */
  readonly details: readonly RefusedField[];

  constructor(
    code: Code,
    message: string,
    options: {
      /** Default: the first of the code's {@link REFUSAL_REASONS}. */
      reason?: RefusalReason<Code>;
      metadata?: Readonly<Record<string, string>>;
      field?: string;
      retryAfterMs?: number;
      details?: readonly RefusedField[];
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.reason = options.reason ?? REFUSAL_REASONS[code][0];
    this.metadata = options.metadata ?? {};
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? [];
  }
}
