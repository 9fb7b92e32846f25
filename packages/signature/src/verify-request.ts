import { SignatureError } from "./signature-error.ts";
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
 * @throws SignatureError, `bad_body` if it is no `Request`; also any error from reading the body, such as a
 *   broken connection
 */
export async function verifyRequest(
  request: Request,
  keys: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifiedRequest> {
  if (typeof request?.arrayBuffer !== "function") {
    const cure = "in Node's servers, read the body's bytes and pass them to verify with the headers";
    throw new SignatureError("bad_body", `this is no Request of the Fetch API: ${cure}`);
  }
  const body = new Uint8Array(await request.arrayBuffer());
  return { ...(await verify({ headers: request.headers, body }, keys, options)), body };
}
