/** Why a webhook is refused. */
export type SignatureErrorCode =
  /** A header is missing, repeated or has the wrong form. */
  | "malformed"
  /** The timestamp is too old or in the future: a replay, or a wrong clock. */
  | "expired"
  /** No signature matches the body under any of the keys. */
  | "no_match"
  /**
   * The caller gives no bytes of the body, but a parsed copy, nothing, or bytes that cannot be read; to sign,
   * also no id or no timestamp.
   */
  | "bad_body"
  /** One of the caller's keys is invalid, or there is none. */
  | "bad_key"
  /** One of the caller's options is unknown, or no number of milliseconds. */
  | "bad_option";

/** The only error that this package throws, whatever it is given. If that throws, it is the `cause`. */
export class SignatureError extends Error {
  override readonly name = "SignatureError";
  readonly code: SignatureErrorCode;

  constructor(code: SignatureErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Reads what the caller passed. Its getters and methods may throw anything.
 *
 * @throws SignatureError the one that `read` throws, or one of this code
 */
export function readOrRefuse<T>(code: SignatureErrorCode, message: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SignatureError) throw error;
    throw new SignatureError(code, message, { cause: error });
  }
}
