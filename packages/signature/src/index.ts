export { createSigner, type Signer, sign, type WebhookToSign } from "./sign.ts";
export { SignatureError, type SignatureErrorCode } from "./signature-error.ts";
export { type Verified, type VerifyOptions, verify, type WebhookToVerify } from "./verify.ts";
export { type VerifiedRequest, verifyRequest } from "./verify-request.ts";
