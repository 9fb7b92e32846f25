import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Refusal } from "@posthaste/domain";
import { CHALLENGE, REFUSALS, retryAfterSeconds } from "../http/refusal-table.ts";
import { detailsFor, namedFields, shortenedText } from "./error-details.ts";
import { violationsDetail } from "./violations-detail.ts";

/** Returns a refusal as an RPC answers it. */
export function refusalFor(method: DescMethod, refusal: Refusal): ConnectError {
  const { code, message, reason, metadata, field, details, retryAfterMs } = refusal;
  const fields = details.length > 0 || !field ? details : [{ field, message }];
  const refused = new ConnectError(shortenedText(message), REFUSALS[code].connect, undefined, [
    ...violationsDetail(method, namedFields(details)),
    ...detailsFor({ reason, metadata, fields, retryAfterMs }),
  ]);
  if (retryAfterMs !== undefined) refused.metadata.set("retry-after", retryAfterSeconds(retryAfterMs));
  if (code === "unauthenticated") refused.metadata.set("www-authenticate", CHALLENGE);
  return refused;
}
