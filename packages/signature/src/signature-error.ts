/** Why a webhook is refused. */
export type SignatureErrorCode =
  /** A header is missing, repeated or has the wrong form. */
  | "malformed"
  /** The timestamp is too old or in the future: a replay, or a wrong clock. */
  | "expired"
  /** No signature matches the body under any of the keys. */
  | "no_match"
  /** The caller gives no bytes of the body, but a parsed copy or nothing. */
  | "bad_body"
  /** One of the caller's keys is invalid. */
  | "bad_key";

/** The only error that this package throws, whatever it is given. */
export class SignatureError extends Error {
  override readonly name = "SignatureError";
  readonly code: SignatureErrorCode;

  constructor(code: SignatureErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
