import type { Names, RetryNow, TemporalAwayReason } from "@posthaste/delivery/client";
import type { DeliveryId, EgressRules, RecoveryId } from "@posthaste/domain";
import type { Log, Tracer } from "@posthaste/runtime";
import type { Store } from "@posthaste/store";
import type { Authenticate } from "./access/auth.ts";
import type { ChangeLimit } from "./access/change-limit.ts";
import type { CostlyReads } from "./access/costly-reads.ts";
import type { StreamGates } from "./access/create-access.ts";
import type { LastCallers } from "./access/last-callers.ts";
import type { LoopTurns } from "./access/loop-turns.ts";
import type { BodyRoom, Places } from "./access/places.ts";
import type { RateLimit } from "./access/rate-limit.ts";
import type { Catalog } from "./catalog/catalog.ts";
import type { KnownSchemas } from "./catalog/schema/known-schemas.ts";
import type { SchemaThreads } from "./catalog/schema/schema-threads.ts";
import type { TemporalWait } from "./deliveries/temporal-wait.ts";
import type { Limits } from "./http/limits.ts";
import type { ReportFault } from "./http/problem.ts";
import type { ApiObserver } from "./http/request-line.ts";
import type { Inboxes } from "./inbox/inboxes.ts";
import type { IngestParts } from "./ingest/ingest.ts";

/** The dependencies of the API's rooms; each takes a `Pick` of them. */
export type Deps = {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly knownSchemas: KnownSchemas;
  readonly schemaThreads: SchemaThreads;
  readonly log: Log;
  readonly reportFault: ReportFault;
  /** Default: nothing is counted. */
  readonly observer?: ApiObserver;
  readonly tracer: Tracer;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The addresses and ports a target URL may use; the worker applies the same rules. */
  readonly egressRules: EgressRules;
  /** How long `SendTestEvent` waits for the outcome. */
  readonly testEventWaitMs: number;
  readonly limits: Limits;
  readonly authenticate: Authenticate;
  readonly rateLimit: RateLimit;
  readonly changeLimit: ChangeLimit;
  /** The places of requests in flight, which accounts share. */
  readonly requestPlaces: Places;
  /** The memory for bodies, which accounts share. */
  readonly bodyRoom: BodyRoom;
  /** The places of reads that examine up to thousands of rows, in which accounts take turns. */
  readonly costlyReads: CostlyReads;
  /** Whose a request probably is, before its token is looked up. */
  readonly lastCallers: LastCallers;
  /** The turns in which accounts compute what takes long. */
  readonly loopTurns: LoopTurns;
  /** The bounds of open streams. */
  readonly streamGates: StreamGates;
  /** Stores the events of one call, all or none. Concurrent calls share a commit. */
  readonly ingest: IngestParts["ingest"];
  /** Test receivers; null if the installation has none. */
  readonly inboxes: Inboxes | null;
  /** Maximum deliveries created within one ingest call. */
  readonly fanOutMax: number;
  /** Tells the workers that deliveries are pending. */
  readonly nudge: () => void;
  /** What the installation is called in Temporal. */
  readonly names: Names;
  /** The page of a delivery's workflow in the Temporal UI; empty if no UI is configured. */
  readonly workflowUrl: (id: DeliveryId) => string;
  /** The Temporal UI's URL; empty if none is configured. */
  readonly temporalUiUrl: string;
  /**
   * Makes a delivery's waiting attempt due now, in Temporal. If the call fails, the reconciler repeats it.
   * An operator's pause stays.
   */
  readonly retryNow: (id: DeliveryId) => Promise<RetryNow>;
  /** Lets a cancelled delivery's workflow end now, in Temporal, whoever has paused it. */
  readonly wakeCancelled: (id: DeliveryId) => Promise<void>;
  /** Returns whether an operator's pause holds a delivery's attempts, in Temporal. It changes nothing. */
  readonly isHeldByOperator: (id: DeliveryId) => Promise<boolean>;
  /** Waits for the requests to Temporal above and below, but not longer than a caller can. */
  readonly temporalWait: TemporalWait;
  /** Reported by `/readyz`; readiness does not depend on it. */
  readonly whyTemporalAway: () => Promise<TemporalAwayReason | undefined>;
  /** Wakes a recovery's workflow. If the call fails, the workflow polls its state within a minute. */
  readonly signalRecovery: (id: RecoveryId) => Promise<void>;
};
