import { toBase64 } from "./base64.ts";
import { importKeys, signingKey } from "./keys.ts";
import { readOrRefuse, SignatureError } from "./signature-error.ts";
import { signedContent, TIMESTAMP } from "./signed-content.ts";

export type WebhookToSign = {
  /** Sent as `webhook-id`: 1 to 255 characters of visible ASCII without a full stop, which ends it. */
  readonly id: string;
  /** Sent as `webhook-timestamp`: whole seconds since the epoch. */
  readonly timestamp: number;
  /** The body's bytes exactly as sent; a string is encoded as UTF-8. */
  readonly body: Uint8Array | ArrayBuffer | string;
};

/**
 * What a header can carry, without white space. A full stop separates the parts of what is signed: with one
 * in the id, the same signature would fit another timestamp and body.
 */
const ID = /^[!-\-/-~]{1,255}$/;
const WRONG_ID = "the id has other characters than visible ASCII, a full stop, or more than 255 characters";

/**
 * Signs a webhook.
 *
 * @param keys `whsec_…` for v1, `whsk_…` for v1a; several while a key is being replaced
 * @returns the value of `webhook-signature`: one signature for each key, separated by spaces
 * @throws SignatureError `bad_key`, or `bad_body` if the id, the timestamp or the body is missing or wrong
 */
export async function sign(webhook: WebhookToSign, keys: readonly string[]): Promise<string> {
  return await (await createSigner(keys))(webhook);
}

/** Returns the value of `webhook-signature` for a webhook, or rejects with a SignatureError `bad_body`. */
export type Signer = (webhook: WebhookToSign) => Promise<string>;

/**
 * Imports keys once to sign many webhooks: importing a key takes longer than signing with
 * it. See {@link sign}.
 *
 * @throws SignatureError `bad_key`
 */
export async function createSigner(keys: readonly string[]): Promise<Signer> {
  const imported = await importKeys(keys, signingKey);
  return async (webhook) => {
    const content = readOrRefuse("bad_body", "the id, the timestamp or the body cannot be read", () => {
      const { id, timestamp, body } = webhook;
      // Text would be made of anything, such as "undefined", and signed.
      if (typeof id !== "string" || id === "")
        throw new SignatureError("bad_body", "the id is missing, or no text");
      if (!ID.test(id)) throw new SignatureError("bad_body", WRONG_ID);
      if (!TIMESTAMP.test(String(timestamp)))
        throw new SignatureError("bad_body", "the timestamp is missing, or no number of whole seconds");
      return signedContent(id, String(timestamp), body);
    });
    const signatures = imported.map(async ({ scheme, key }) => {
      const signature = await crypto.subtle.sign(scheme === "v1" ? "HMAC" : "Ed25519", key, content);
      return `${scheme},${toBase64(new Uint8Array(signature))}`;
    });
    return (await Promise.all(signatures)).join(" ");
  };
}
