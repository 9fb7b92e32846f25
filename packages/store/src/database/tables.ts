import type {
  Acceptance,
  DeliveryState,
  Lane,
  Outcome,
  RecoveryKind,
  RecoveryState,
  SchemaCheck,
  SubscriptionState,
} from "@posthaste/domain";
import type { Generated } from "kysely";

/** The tables as they are stored. Row types stop inside this package. Times are epoch milliseconds. */
export type Tables = {
  accounts: {
    id: Generated<number>;
    name: string;
    created_at: number;
    /** Null: the default. */
    schema_check: Generated<SchemaCheck | null>;
    /** Null: the default. */
    lane: Generated<Lane | null>;
  };
  /** Event types made at run time, each as of its latest version. */
  event_types: {
    id: Generated<number>;
    /** 0: shared, everyone's. */
    account_id: number;
    code: string;
    /** The latest, from 1. */
    version: number;
    /** What the latest version's texts take, for the bound on a catalogue. */
    bytes: number;
    created_at: number;
    updated_at: number;
    archived_at: number | null;
  };
  /** Append-only. */
  event_type_versions: {
    event_type_id: number;
    version: number;
    description: string;
    /** JSON. */
    schema_json: string;
    /** JSON as its author wrote it. */
    sample_json: string;
    created_at: number;
  };
  tokens: {
    id: Generated<number>;
    account_id: number;
    name: string;
    /** SHA-256 of the secret. */
    secret_hash: Buffer;
    hint: string;
    /** Separated by spaces. */
    scopes: string;
    expires_at: number | null;
    revoked_at: number | null;
    created_at: number;
    /** 1 for a session that a portal link opened; deleted some time after its end. */
    session: Generated<number | null>;
  };
  /** Links into the console that were not opened yet. */
  portal_links: {
    id: Generated<number>;
    account_id: number;
    /** SHA-256 of the one-time code. */
    code_hash: Buffer;
    /** Of the session: separated by spaces. */
    scopes: string;
    session_ms: number;
    expires_at: number;
    created_at: number;
  };
  /** What happened to an account's deliveries in a span of time. */
  statistics: {
    account_id: number;
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
  /** One row: up to which change they are counted. */
  statistics_cursor: {
    id: number;
    batch: number;
    change_id: number;
  };
  subscriptions: {
    id: Generated<number>;
    account_id: number;
    target_url: string;
    /** SHA-256 of the URL: what "the same URL" is compared by, and what a wide fan-out walks along. */
    target_hash: Buffer;
    state: SubscriptionState;
    /** The receiver's own credential, sealed. */
    credential: Buffer | null;
    /** Names its public keys to those without a token. */
    key_set: string;
    acceptance: Acceptance;
    timeout_ms: number | null;
    description: string | null;
    /** JSON: texts by key. */
    metadata: string | null;
    /** JSON: a list; what the headers are called is no secret. */
    header_names: string | null;
    /** JSON: values by lower-case name, sealed. */
    headers: Buffer | null;
    /** Attempts in 1,000 s; null: no rate. */
    rate_per_1000s: number | null;
    rate_burst: number | null;
    /** Null: the default. */
    concurrency: number | null;
    /** 1 from its resuming until nothing is parked: new deliveries are parked behind the old ones. */
    draining: Generated<number>;
    /** The first failure since its last success. */
    failing_since: number | null;
    /** Deliveries exhausted since its last success. */
    exhausted: Generated<number>;
    created_at: number;
    updated_at: number;
    ended_at: number | null;
    ended_reason: string | null;
  };
  /** What deliveries are signed with: a live one for each subscription, and those before it until they expire. */
  signing_keys: {
    id: Generated<number>;
    subscription_id: number;
    /** `whsec_…`, sealed. */
    secret: Buffer;
    /** `whsk_…`, sealed. */
    private_key: Buffer;
    public_key: string;
    created_at: number;
    /** Null: the current one. */
    expires_at: number | null;
  };
  /** Where each subscription's attempts stand in line. */
  turns: {
    subscription_id: number;
    /** When the next may be admitted, and when the next may be sent: microseconds, see `pace.ts` in domain. */
    line_us: number;
    gate_us: number;
    /** How long its retries take of late. */
    hold_ms: number;
  };
  /** How many retries of a subscription are due in each slot of ten seconds. */
  turn_slots: {
    subscription_id: number;
    /** Since the epoch, in slots. */
    slot: number;
    taken: number;
  };
  /** What each subscription wants, and wanted: a fan-out that goes on later still sees who was there at ingest. */
  subscription_event_types: {
    /** Grows with time, so it says what was there as of an ingest without comparing clocks. */
    id: Generated<number>;
    subscription_id: number;
    account_id: number;
    event_type: string;
    removed_at: number | null;
    /** Of account, URL and event type while it is wanted, then null: no two live ones are the same. */
    live_key: Buffer | null;
  };
  events: {
    id: string;
    account_id: number;
    event_type: string;
    /** The snapshot's bytes as ingested. A BLOB: a JSON column would rewrite them. */
    data: Buffer;
    created_at: number;
  };
  idempotency_keys: {
    account_id: number;
    /** SHA-256 of the key: databases disagree on whether trailing spaces count. */
    key_hash: Buffer;
    content_hash: Buffer;
    event_id: string;
    delivery_count: number;
    created_at: number;
  };
  /** Fan-outs wider than one call's cap, until they are finished. Normally empty. */
  fanouts: {
    event_id: string;
    account_id: number;
    event_type: string;
    as_of_at: number;
    /** The largest subscription_event_types.id as of ingest. */
    as_of_row: number;
    after_target_hash: Buffer;
  };
  /** Recoveries of failed deliveries and replays of events. */
  recoveries: {
    id: Generated<number>;
    account_id: number;
    kind: RecoveryKind;
    /** Null: every subscription of the account. */
    subscription_id: number | null;
    state: RecoveryState;
    since_at: number;
    /** Exclusive, and no later than its making: what it makes is not its own to recover. */
    until_at: number;
    dry_run: number;
    rate_per_second: number;
    /** The id of the last delivery or event that was looked at. */
    cursor_id: string;
    examined: number;
    made: number;
    left_out: number;
    parked: number;
    /** When its workflow was last seen to be started; null: not yet. */
    workflow_at: number | null;
    created_at: number;
    ended_at: number | null;
  };
  /** What was erased for somebody; once completed, the receipt of it. */
  erasures: {
    id: Generated<number>;
    account_id: number;
    /** Null: the whole account. */
    pointer: string | null;
    /** What is looked for, until the end. */
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
  deliveries: {
    id: string;
    account_id: number;
    event_id: string;
    event_type: string;
    subscription_id: number;
    /** The target's hash, unique for the event: one event reaches one URL of an account once. */
    target_key: Buffer;
    state: DeliveryState;
    attempts: number;
    next_attempt_at: number | null;
    /** When the reconciler may look at it: a while after the next attempt is due. */
    reconcile_after: number | null;
    lease_owner: string | null;
    lease_until: number | null;
    /** The subscription's id from the claim until the first attempt is logged, else null. */
    in_flight_of: number | null;
    /** When a retry that had to wait has its turn; null: it did not ask yet. */
    turn_at: number | null;
    last_outcome: Outcome | null;
    last_status: number | null;
    /** 1 for a test event's: tried once. */
    test: number | null;
    /** Of the ingest call; null where that was not traced. */
    traceparent: string | null;
    created_at: number;
    started_at: number | null;
    ended_at: number | null;
    ended_reason: string | null;
  };
  /** Append-only: every state that a delivery came to. */
  delivery_changes: {
    id: Generated<number>;
    /** Its place in the order that can be followed, with `id`; null until it was given one. */
    batch: number | null;
    account_id: number;
    delivery_id: string;
    event_id: string;
    event_type: string;
    subscription_id: number;
    state: DeliveryState;
    attempts: number;
    last_outcome: Outcome | null;
    last_status: number | null;
    changed_at: number;
  };
  /** One row. */
  change_counter: {
    id: number;
    batch: number;
    /** What is older was deleted for its age. */
    oldest_batch: number;
  };
  /** Append-only. */
  attempts: {
    delivery_id: string;
    number: number;
    started_at: number;
    duration_ms: number;
    outcome: Outcome;
    acceptance: Acceptance;
    status: number | null;
    /** JSON: pairs of name and value. */
    response_headers: string;
    /** The same, as sent and without secrets; null: made before they were kept. */
    request_headers: Generated<string | null>;
    response_body: Buffer;
    response_truncated: number;
    address: string | null;
    detail: string | null;
    target_url: string;
    retry_after_ms: number | null;
  };
};
