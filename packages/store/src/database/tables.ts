import type {
  Acceptance,
  AccountId,
  AuditActor,
  AuditEntryId,
  AuditSubject,
  CreationCause,
  DeliveryEvent,
  DeliveryId,
  DeliveryState,
  ErasureId,
  EventId,
  InstallationId,
  Lane,
  Line,
  Outcome,
  RecoveryId,
  RecoveryKind,
  RecoveryState,
  SchemaCheck,
  SessionTheme,
  SubscriptionId,
  SubscriptionState,
  TokenId,
} from "@posthaste/domain";
import type { Generated } from "kysely";
import type { EventTables } from "./event-tables.ts";

/**
 * The tables as they are stored. Row types stay inside this package. Columns that end in `_at`, `_after` or
 * `_until` are epoch milliseconds. 1 means yes and 0 means no. Event types and events are in
 * `event-tables.ts`.
 */
export type Tables = EventTables & {
  /** One row. */
  installation: {
    id: number;
    /** Part of every name in Temporal. Empty: the database is older than these ids. */
    installation_id: InstallationId;
    /** The secret of sensitive keys' hashes, sealed; null: none was needed yet. */
    key_secret: Generated<Buffer | null>;
  };
  accounts: {
    id: Generated<AccountId>;
    name: string;
    /** Null: the default. */
    schema_check: Generated<SchemaCheck | null>;
    /** Null: the default. */
    lane: Generated<Lane | null>;
    /** When its erasure was requested. Since then, nothing is stored for it; null: never. */
    erased_at: Generated<number | null>;
    created_at: number;
  };
  tokens: {
    id: Generated<TokenId>;
    account_id: AccountId;
    name: string;
    /** SHA-256 of the secret. */
    secret_hash: Buffer;
    hint: string;
    /** Separated by spaces. */
    scopes: string;
    /** 1: a console session that a portal link opened. It is deleted some time after it expires. */
    session: number;
    /** A console session's theme, if its link chose one. */
    theme: SessionTheme;
    expires_at: number | null;
    revoked_at: number | null;
    created_at: number;
  };
  /** Links into the console that have not been opened yet. */
  portal_links: {
    id: Generated<number>;
    account_id: AccountId;
    /** SHA-256 of the one-time code. */
    code_hash: Buffer;
    /** The session's scopes, separated by spaces. */
    scopes: string;
    session_ms: number;
    /** The session's theme. */
    theme: SessionTheme;
    expires_at: number;
    created_at: number;
  };
  /** Append-only: who changed what. No entry holds a secret; see `audit/audit.ts`. */
  audit_entries: {
    id: AuditEntryId;
    /** Whose thing was changed; 0: the installation's, such as an event type that all accounts share. */
    account_id: AccountId;
    actor: AuditActor;
    /** The account of the actor's token; null: the actor has none. */
    actor_account_id: AccountId | null;
    token_id: TokenId | null;
    /** As of the change. */
    token_name: string | null;
    token_hint: string | null;
    /** The RPC, route or command that made the change, or what Posthaste did. */
    action: string;
    subject: AuditSubject;
    subject_id: string;
    /** JSON: the fields that changed; null: there were none, or nothing was there. */
    before_json: string | null;
    after_json: string | null;
    created_at: number;
  };
  /** Counters of an account's deliveries, one row per span of time. */
  statistics: {
    account_id: AccountId;
    span_ms: number;
    from_at: number;
    events: number;
    deliveries: number;
    succeeded: number;
    failed: number;
    attempts: number;
    accepted: number;
    /** JSON: how many attempts took how long, see `TOOK_UP_TO_MS`. */
    took: string;
  };
  /** One row: the last change that `statistics` includes. */
  statistics_cursor: {
    id: number;
    batch: number;
    change_id: number;
  };
  subscriptions: {
    id: Generated<SubscriptionId>;
    account_id: AccountId;
    target_url: string;
    /** SHA-256 of the URL. Two URLs are the same if these are. */
    target_hash: Buffer;
    /** SHA-256 of the URL's host; null: unknown, since it was created by an earlier release. */
    host_hash: Buffer | null;
    /** 1: the host has answered a delivery of this subscription with 2xx. */
    host_proven: Generated<number>;
    state: SubscriptionState;
    /** The credential that the receiver expects, sealed. */
    credential: Buffer | null;
    /** Names its public keys to callers without a token. */
    key_set: string;
    acceptance: Acceptance;
    timeout_ms: number | null;
    description: string | null;
    /** JSON: texts by key. */
    metadata: string | null;
    /** JSON: a list. Header names are no secret. */
    header_names: string | null;
    /** JSON: values by lower-case name, sealed. */
    headers: Buffer | null;
    /** Attempts in 1,000 s; null: unlimited. */
    rate_per_1000s: number | null;
    rate_burst: number | null;
    /** Null: the default. */
    concurrency: number | null;
    /**
     * 1 from the subscription's resumption until no delivery is parked. New deliveries are parked behind the
     * old ones until then.
     */
    draining: Generated<number>;
    /** 1 from the subscription's end until its open deliveries are cancelled and its turn slots deleted. */
    ending: Generated<number>;
    /** The first failure since the last success. */
    failing_since: number | null;
    /** When it was last resumed after a pause; null: never, or by an earlier release. */
    resumed_at: Generated<number | null>;
    /** Deliveries exhausted since the last success or resumption. */
    exhausted: Generated<number>;
    created_at: number;
    updated_at: number;
    ended_at: number | null;
    ended_reason: string | null;
  };
  /** A subscription's signing keys: the current one, and earlier ones until they expire. */
  signing_keys: {
    id: Generated<number>;
    subscription_id: SubscriptionId;
    account_id: AccountId;
    /** `whsec_…`, sealed. */
    secret: Buffer;
    /** `whsk_…`, sealed. */
    private_key: Buffer;
    public_key: string;
    created_at: number;
    /** Null: the current one. */
    expires_at: number | null;
  };
  /** The position of each subscription's attempts in its lines; see `pace.ts` in domain. */
  turns: {
    subscription_id: SubscriptionId;
    account_id: AccountId;
    /** When the next first attempt may be claimed, in microseconds. */
    line_us: Line;
    /** Where the next retry stands, in microseconds. */
    retry_line_us: Line;
    /** When the next attempt may be sent, in microseconds. */
    gate_us: Line;
    /** A moving average of how long its retries take. */
    hold_ms: number;
  };
  /**
   * How many retries of a subscription are due in each slot of ten seconds. Each row is a block of slots that
   * follow each other; see `slot-blocks.ts`.
   */
  turn_slots: {
    subscription_id: SubscriptionId;
    /** The first slot, counted since the epoch. */
    slot: number;
    /** The last slot; before `slot`: the same as that. */
    last_slot: Generated<number>;
    account_id: AccountId;
    /** Retries in the last slot. */
    taken: number;
    /** Retries in each slot before the last one, at most. */
    taken_before: Generated<number>;
  };
  /**
   * The event types of each subscription, now and earlier. With the earlier ones, a fan-out that continues
   * later still matches the subscriptions as of ingest.
   */
  subscription_event_types: {
    /** Ascends with time, so it orders changes without comparing clocks. */
    id: Generated<number>;
    subscription_id: SubscriptionId;
    account_id: AccountId;
    event_type: string;
    removed_at: number | null;
    /** A hash of account, URL and event type while the row is live, else null. No two live rows share one. */
    live_key: Buffer | null;
  };
  /** Recoveries of failed deliveries, and replays of events. */
  recoveries: {
    id: Generated<RecoveryId>;
    account_id: AccountId;
    kind: RecoveryKind;
    /** Null: every subscription of the account. */
    subscription_id: SubscriptionId | null;
    state: RecoveryState;
    since_at: number;
    /** Exclusive, and never later than `created_at`, so that a recovery does not find its own deliveries. */
    until_at: number;
    dry_run: number;
    rate_per_second: number;
    /** JSON: a `RecoveryFilter`; null: an earlier release made it, which had none. */
    filter: Generated<string | null>;
    /** The last delivery or event examined. */
    cursor_id: string;
    examined: number;
    made: number;
    left_out: number;
    /** JSON: how many were left out, by reason; null: none yet, or by an earlier release. */
    left_out_by: Generated<string | null>;
    parked: number;
    /** When its workflow was last known to run; null: not started yet. */
    workflow_at: number | null;
    created_at: number;
    ended_at: number | null;
  };
  /** Erasures of personal data. A completed one is the receipt. */
  erasures: {
    id: Generated<ErasureId>;
    account_id: AccountId;
    /** Null: the whole account. */
    pointer: string | null;
    /** The value to look for, sealed; null once the erasure has completed. */
    sealed_value: Buffer | null;
    value_hash: Buffer | null;
    state: "running" | "completed";
    cursor_id: string;
    examined: number;
    events: number;
    deliveries: number;
    attempts: number;
    digest: Buffer;
    workflow_at: number | null;
    created_at: number;
    ended_at: number | null;
  };
  /** See `deliveries/transitions.ts` for which columns are set in which state. */
  deliveries: {
    id: DeliveryId;
    account_id: AccountId;
    event_id: EventId;
    event_type: string;
    subscription_id: SubscriptionId;
    /**
     * Unique per event: the hash of the URL that the delivery is for, so that an event reaches a URL once. A
     * resend and one that no longer serves the URL have another; see `deliveries/url-keys.ts`.
     */
    target_key: Buffer;
    state: DeliveryState;
    /** Attempts logged. */
    attempts: number;
    /** No attempt is sent before this. */
    next_attempt_at: number | null;
    /** The reconciler leaves the delivery alone until then. */
    reconcile_after: number | null;
    /** When a retry that had to wait has its turn; null: it has not asked yet. */
    turn_at: number | null;
    lease_owner: string | null;
    /**
     * Pending: no other worker may claim the delivery before this. Started: its place is free again after
     * this.
     */
    lease_until: number | null;
    /** `subscription_id` while the delivery occupies one of the subscription's places, else null. */
    in_flight_of: SubscriptionId | null;
    last_outcome: Outcome | null;
    last_status: number | null;
    /** 1: the delivery of a test event, attempted once. */
    test: number;
    /** 1: made by a replay. The first attempts of these follow each other; see `dispatch/in-order.ts`. */
    in_order: Generated<number>;
    /** The ingest call's trace; null: it was not traced. */
    traceparent: string | null;
    created_at: number;
    started_at: number | null;
    ended_at: number | null;
    ended_reason: string | null;
    /** The delivery of the same event that this one sends again; null: none. */
    resend_of: Generated<DeliveryId | null>;
    /** The recovery or replay that created it, or the last one that asked for its retry; null: none. */
    recovery_id: Generated<RecoveryId | null>;
  };
  /** Append-only: every change of a delivery's state or number of attempts. */
  delivery_changes: {
    id: Generated<number>;
    /** With `id`, its place in the order that readers follow; null: not ordered yet. */
    batch: number | null;
    account_id: AccountId;
    delivery_id: DeliveryId;
    event_id: EventId;
    event_type: string;
    subscription_id: SubscriptionId;
    /** What brought the delivery here. */
    cause: CreationCause | DeliveryEvent;
    state: DeliveryState;
    /** Attempts logged; if an attempt was the cause, its number. */
    attempts: number;
    /** Duration of the attempt that was the cause; null: none was. */
    attempt_ms: number | null;
    last_outcome: Outcome | null;
    last_status: number | null;
    changed_at: number;
  };
  /** One row. */
  change_counter: {
    id: number;
    /** The last batch of changes that was ordered. */
    batch: number;
    /** Changes of earlier batches were deleted for their age. */
    oldest_batch: number;
  };
  /** Append-only. */
  attempts: {
    delivery_id: DeliveryId;
    number: number;
    account_id: AccountId;
    started_at: number;
    duration_ms: number;
    outcome: Outcome;
    acceptance: Acceptance;
    status: number | null;
    /** JSON: pairs of name and value as sent, without secrets. */
    request_headers: string;
    /** JSON: pairs of name and value. */
    response_headers: string;
    response_body: Buffer;
    response_truncated: number;
    address: string | null;
    detail: string | null;
    /** Without its query. */
    target_url: string;
    /** Of the whole URL; null: recorded by a release that did not keep it. */
    target_hash: Buffer | null;
    retry_after_ms: number | null;
  };
};
