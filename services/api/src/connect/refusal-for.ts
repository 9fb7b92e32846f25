import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Refusal } from "@posthaste/domain";
import { CHALLENGE, REFUSALS, retryAfterSeconds } from "../http/refusal-table.ts";
import { violationsDetail } from "./violations-detail.ts";

/** Returns a refusal as an RPC answers it. */
export function refusalFor(
  method: DescMethod,
  { code, message, details, retryAfterMs }: Refusal,
): ConnectError {
  const refused = new ConnectError(
    message,
    REFUSALS[code].connect,
    undefined,
    violationsDetail(method, details),
  );
  if (retryAfterMs !== undefined) refused.metadata.set("retry-after", retryAfterSeconds(retryAfterMs));
  if (code === "unauthenticated") refused.metadata.set("www-authenticate", CHALLENGE);
  return refused;
}
