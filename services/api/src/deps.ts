import type { DeliveryId, EgressRules, RecoveryId } from "@posthaste/domain";
import type { Log, Tracer } from "@posthaste/runtime";
import type { IngestCall, IngestedEvent, Store } from "@posthaste/store";
import type { Authenticate } from "./access/auth.ts";
import type { RateLimit } from "./access/rate-limit.ts";
import type { Catalog } from "./catalog/catalog.ts";
import type { Validators } from "./catalog/schema/validators.ts";
import type { Limits } from "./http/limits.ts";
import type { ReportFault } from "./http/problem.ts";
import type { ApiObserver } from "./http/request-line.ts";
import type { Inboxes } from "./inbox/inboxes.ts";

/** What every part of the API works with. */
export type Deps = {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly validators: Validators;
  readonly log: Log;
  readonly reportFault: ReportFault;
  /** Default: nothing is counted. */
  readonly observer?: ApiObserver;
  readonly tracer: Tracer;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What a target URL may name; the worker goes by the same. */
  readonly egressRules: EgressRules;
  /** How long a call that sends a test event waits for what comes of it. */
  readonly testEventWaitMs: number;
  readonly limits: Limits;
  readonly authenticate: Authenticate;
  readonly rateLimit: RateLimit;
  /** Stores what one call brings, all or none; calls that come together are committed together. */
  readonly ingest: (call: IngestCall) => Promise<IngestedEvent[]>;
  /** Receivers to try webhooks with; null: the installation has none. */
  readonly inboxes: Inboxes | null;
  /** Deliveries made within one ingest call. */
  readonly fanOutMax: number;
  /** Tells the workers that deliveries are pending. */
  readonly nudge: () => void;
  /** A delivery's workflow in Temporal's UI; empty where the installation does not name it. */
  readonly workflowUrl: (id: DeliveryId) => string;
  /** Makes a delivery's waiting attempt due now, at Temporal; what fails here the reconciler completes. */
  readonly retryNow: (id: DeliveryId) => Promise<unknown>;
  /** Told by `/readyz`; nothing waits for it. */
  readonly isTemporalThere: () => Promise<boolean>;
  /** Wakes a paused recovery up, at Temporal; where this fails it looks for itself within a minute. */
  readonly signalRecovery: (id: RecoveryId) => Promise<void>;
};
