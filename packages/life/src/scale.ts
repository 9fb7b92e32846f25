import { DAY_MS } from "@posthaste/domain";
import type { RetentionAges } from "@posthaste/store";

/** A simulated month has ten rounds of three days. */
export const ROUND_MS = 3 * DAY_MS;
export const ROUNDS_PER_MONTH = 10;
export const MONTH_MS = ROUNDS_PER_MONTH * ROUND_MS;

/**
 * How long each kind is kept: a third of the defaults or less, so that a month replaces everything. The
 * first month fills the tables, and from then on as much is deleted as is added.
 */
export const AGES: RetentionAges = {
  events: 27 * DAY_MS,
  attempts: 9 * DAY_MS,
  idempotency_keys: 6 * DAY_MS,
  changes: 3 * DAY_MS,
  removed_event_types: 27 * DAY_MS,
  audit_entries: 27 * DAY_MS,
};

/** What happens in a round besides the bulk of events: the same in every round, whatever the size. */
export const INCIDENTS = {
  /** Accounts that share the bulk of events: enough for a claim to fill itself from 32 rows of each. */
  busyAccounts: 16,
  /** Subscriptions of the account with wide events, each with a URL of its own. */
  wideSubscriptions: 30,
  wideEvents: 3,
  /** Deliveries created by the ingest call of a wide event; fan-outs create the others. */
  wideAtOnce: 10,
  /** Subscriptions created and ended, all on one URL. */
  churned: 5,
  /** Events that a receiver refuses on every attempt. */
  refused: 2,
  /** Events for a subscription that is paused, and for one that is disabled. */
  parked: 10,
  /** Events with personal data, half of which is erased. */
  personal: 6,
} as const;
