import type { Store } from "@posthaste/store";
import { BUSY_RETRY_AFTER_MS, type Limits } from "../http/limits.ts";
import type { AdmitParts } from "./admit.ts";
import { createAuthenticate } from "./auth.ts";
import { type ChangeLimit, createChangeLimit } from "./change-limit.ts";
import { type CostlyReads, createCostlyReads } from "./costly-reads.ts";
import { createLastCallers } from "./last-callers.ts";
import { createLoopTurns, type LoopTurnsOptions } from "./loop-turns.ts";
import { type BodyRoom, type Counted, createBodyRoom, createPlaces } from "./places.ts";
import { createRateLimit } from "./rate-limit.ts";
import {
  createPublicStreamGate,
  createStreamGate,
  type PublicStreamGate,
  type StreamGate,
} from "./stream-gate.ts";

/** Streams of one account's inboxes: it has three, and perhaps two tabs that watch each. */
const INBOX_WATCHES_MAX = { ofAll: 50, ofAccount: 8 };

/** The bounds of open streams, by kind. */
export type StreamGates = {
  readonly deliveries: StreamGate;
  readonly inboxes: StreamGate;
  readonly health: PublicStreamGate;
  readonly reflection: PublicStreamGate;
};

/** Creates what decides who may call, how often, and how much at once. */
export function createAccess(
  store: Store,
  now: () => number,
  limits: Limits,
  loopTurns: LoopTurnsOptions = {},
): AdmitParts & {
  readonly bodyRoom: BodyRoom;
  readonly changeLimit: ChangeLimit;
  readonly costlyReads: CostlyReads;
  readonly streamGates: StreamGates;
} {
  return {
    authenticate: createAuthenticate(store, now),
    rateLimit: createRateLimit(limits.ratePerSecond),
    requestPlaces: createPlaces({
      what: { one: "request in flight", many: "requests in flight" },
      reason: "REQUESTS_FULL",
      ofAll: limits.requestsMax,
      ofAccount: limits.accountRequestsMax,
      retryAfterMs: BUSY_RETRY_AFTER_MS,
    }),
    changeLimit: createChangeLimit(limits.accountChangesMbPerDay),
    lastCallers: createLastCallers(),
    loopTurns: createLoopTurns(loopTurns),
    bodyRoom: createBodyRoom(limits.bodiesBytesMax, BUSY_RETRY_AFTER_MS),
    costlyReads: createCostlyReads({ connections: store.connections, streams: limits.watchesMax }),
    streamGates: {
      deliveries: createStreamGate(streamsOf("delivery changes"), {
        ofAll: limits.watchesMax,
        ofAccount: limits.accountWatchesMax,
      }),
      inboxes: createStreamGate(streamsOf("inboxes"), INBOX_WATCHES_MAX),
      health: createPublicStreamGate(
        { one: "watched health status", many: "watched health statuses" },
        limits.publicStreamsMax,
      ),
      reflection: createPublicStreamGate(streamsOf("reflection"), limits.publicStreamsMax),
    },
  };
}

function streamsOf(what: string): Counted {
  return { one: `stream of ${what}`, many: `streams of ${what}` };
}
