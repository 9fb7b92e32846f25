import { isTemporalThere, type Temporal, whyTemporalAway } from "@posthaste/delivery/client";
import type { WhyAway } from "@posthaste/runtime";
import { isDatabaseAway, type Store, whyDatabaseAway } from "@posthaste/store";
import type { WhatIsAway } from "./loops/outage-log.ts";
import type { TemporalWorker } from "./temporal/temporal-worker.ts";

type Client = Temporal["client"];

/** Tells the loops, after a failure, which dependencies are away. */
export function createWhatIsAway(store: Store, client: Client): WhatIsAway {
  return async (error) => {
    const [isAway, isTemporalUp] = await Promise.all([isDatabaseAway(store, error), isTemporalThere(client)]);
    return [...(isAway ? ["database" as const] : []), ...(isTemporalUp ? [] : ["temporal" as const])];
  };
}

/** Tells probes and metrics which dependencies are away, and why. */
export function createWhyAway(store: Store, client: Client, temporalWorker: TemporalWorker): WhyAway {
  return async () => {
    const [database, temporal] = await Promise.all([whyDatabaseAway(store), whyTemporalAway(client)]);
    // The SDK's worker reports that it runs while it merely tries to poll, so Temporal is called too.
    const unpolled = temporalWorker.polls() ? undefined : "not_polled";
    return { database, temporal: temporal ?? unpolled };
  };
}
