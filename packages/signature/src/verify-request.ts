import { type Verified, type VerifyOptions, verify } from "./verify.ts";

/** A request that was found to be right, with the body that was signed. */
export type VerifiedRequest = Verified & {
  /** The bytes as they came: parse these, the request's own body has been read. */
  readonly body: Uint8Array<ArrayBuffer>;
};

/**
 * The same as {@link verify}, for runtimes that hand over a `Request` (Deno, Bun, edge functions, service workers).
 * Bound the body's size before, where your runtime does not.
 *
 * @throws SignatureError; and what reading the body throws, such as a connection that breaks
 */
export async function verifyRequest(
  request: Request,
  keys: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifiedRequest> {
  const body = new Uint8Array(await request.arrayBuffer());
  return { ...(await verify({ headers: request.headers, body }, keys, options)), body };
}
