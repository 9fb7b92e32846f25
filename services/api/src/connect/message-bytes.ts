import type { DescMethod } from "@bufbuild/protobuf";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import type { Limits } from "../http/limits.ts";
import { accessTo } from "./access.ts";

/** The message of a call without a token: it holds a name or a code, and anyone may send it. */
const PUBLIC_BYTES_MAX = 4_096;

/** Returns how many bytes a method's message may have, uncompressed. */
export function messageBytesMax(method: DescMethod, limits: Limits): number {
  switch (method) {
    case EventIngestService.method.ingestEvent:
    case SubscriptionService.method.sendTestEvent:
      return limits.eventBytesMax;
    case EventIngestService.method.ingestEvents:
      return limits.batchBytesMax;
    default:
      return accessTo(method) === "public" ? PUBLIC_BYTES_MAX : limits.bodyBytesMax;
  }
}
