/** Why a webhook was not accepted. */
export type SignatureErrorCode =
  /** A header is missing, or has not the form it should have. */
  | "malformed"
  /** It was signed too long ago, or in the future: a replay, or a clock that is wrong. */
  | "expired"
  /** No signature fits the body and any of the keys. */
  | "no_match"
  /** A key of the receiver's own is not one. */
  | "bad_key";

/** The only error this package throws, whatever a sender put into its headers. */
export class SignatureError extends Error {
  override readonly name = "SignatureError";
  readonly code: SignatureErrorCode;

  constructor(code: SignatureErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
