import { isStoreAway, RETENTION_KINDS, type RetentionAges, retain } from "@posthaste/store";
import type { TrafficMaker } from "./kind.ts";

/**
 * Ages of seconds, where a worker's settings count in days. Only a key gets older than the longest repetition
 * of a call, since the key is what makes the repetition harmless.
 */
const AGES_MS: RetentionAges = {
  attempts: 6_000,
  events: 10_000,
  changes: 5_000,
  idempotency_keys: 180_000,
  // A fan-out that goes on later still matches by them.
  removed_event_types: 180_000,
  // The checks ask only for those of erased accounts.
  audit_entries: 60_000,
};
/** Steps of one act for each kind. */
const STEPS_MAX = 10;

/** Deletes what has reached its age, in the same steps as a worker's retention. */
export const retention: TrafficMaker = async ({ stack: { store } }) => ({
  async act() {
    const now = Date.now();
    for (const kind of RETENTION_KINDS) {
      let cursor: string | undefined = "";
      for (let step = 0; step < STEPS_MAX && cursor !== undefined; step++) {
        const from: string = cursor;
        try {
          cursor = (await retain(store, { kind, before: now - AGES_MS[kind], cursor: from })).cursor;
        } catch (error) {
          // The next act goes on.
          if (!isStoreAway(store, error)) throw error;
          return;
        }
      }
    }
  },
});
