import { type Verified, type VerifyOptions, verify } from "./verify.ts";

/** A verified request, with the body that was signed. */
export type VerifiedRequest = Verified & {
  /** The body's bytes as received. Parse these: the request's own body is already consumed. */
  readonly body: Uint8Array<ArrayBuffer>;
};

/**
 * Reads and verifies a `Request`, as Deno, Bun, edge functions and service workers have it; see {@link
 * verify}. If your runtime does not limit the body's size, check it before this call.
 *
 * @throws SignatureError; also any error from reading the body, such as a broken connection
 */
export async function verifyRequest(
  request: Request,
  keys: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifiedRequest> {
  const body = new Uint8Array(await request.arrayBuffer());
  return { ...(await verify({ headers: request.headers, body }, keys, options)), body };
}
