import { DAY_MS } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CONTRACT_ID_MAX } from "../src/database/ids.ts";

/*
 * Every numeric column, by what it reaches at most in ten years at 10,000 deliveries a second. A new column
 * fails these tests until it is listed with its bound, and has the width for it.
 */

const TEN_YEARS_S = 10 * 366 * 86_400;
const DELIVERIES = 10_000 * TEN_YEARS_S;
const ATTEMPTS_OF_DELIVERY = 14;
const ATTEMPTS = ATTEMPTS_OF_DELIVERY * DELIVERIES;
/** A change for its creation, start and end, and for each attempt with a park and a drain in between. */
const CHANGES = (3 + 3 * ATTEMPTS_OF_DELIVERY) * DELIVERIES;
/** The first day of 2100, in epoch milliseconds, and a year more for times that are set ahead. */
const TIME_MS = 4_102_444_800_000 + 366 * DAY_MS;
/** The latest date that JavaScript has; a `Retry-After` may name it. */
const DATE_MS = 8.64e15;

type Bound = { readonly max: number; readonly columns: readonly string[] };

const BOUNDS: readonly Bound[] = [
  // Ids that the contracts carry in 32 bits. The row after the last is refused: see `contractIdOf`.
  {
    max: CONTRACT_ID_MAX,
    columns: [
      "accounts.id",
      "subscriptions.id",
      "recoveries.id",
      "erasures.id",
      ...["attempts", "audit_entries", "deliveries", "delivery_changes", "erasures", "event_keys"],
      "event_types",
      ...[
        "event_type_versions",
        "events",
        "fanouts",
        "idempotency_keys",
        "portal_links",
        "recoveries",
        "signing_keys",
      ],
      ...["statistics", "subscription_event_types", "subscriptions", "tokens", "turn_slots", "turns"],
    ].map((name) => (name.includes(".") ? name : `${name}.account_id`)),
  },
  {
    max: CONTRACT_ID_MAX,
    columns: [
      "audit_entries.actor_account_id",
      "deliveries.subscription_id",
      "fanouts.after_subscription_id",
      "deliveries.in_flight_of",
      "delivery_changes.subscription_id",
      "recoveries.subscription_id",
      "deliveries.recovery_id",
      "signing_keys.subscription_id",
      "subscription_event_types.subscription_id",
      "turn_slots.subscription_id",
      "turns.subscription_id",
    ],
  },
  // A batch has at least one change.
  {
    max: CHANGES,
    columns: [
      "delivery_changes.id",
      "delivery_changes.batch",
      "change_counter.batch",
      "change_counter.oldest_batch",
      "statistics_cursor.batch",
      "statistics_cursor.change_id",
    ],
  },
  // Rows that somebody asks for: fewer than events. Sessions of the console are tokens whose ids no contract
  // carries.
  {
    max: DELIVERIES,
    columns: [
      "tokens.id",
      "audit_entries.token_id",
      "portal_links.id",
      "signing_keys.id",
      "event_types.id",
      "event_type_versions.event_type_id",
      "subscription_event_types.id",
      "fanouts.as_of_row",
    ],
  },
  // Sums, at most over everything in the database.
  {
    max: ATTEMPTS,
    columns: [
      ...["events", "deliveries", "succeeded", "failed", "attempts", "accepted"].map(
        (column) => `statistics.${column}`,
      ),
      ...["examined", "made", "left_out", "parked"].map((column) => `recoveries.${column}`),
      ...["examined", "events", "deliveries", "attempts"].map((column) => `erasures.${column}`),
      "subscriptions.exhausted",
      "turn_slots.taken",
      "turn_slots.taken_before",
    ],
  },
  // Ten seconds each.
  { max: TIME_MS / 10_000, columns: ["turn_slots.slot", "turn_slots.last_slot"] },
  {
    max: TIME_MS,
    columns: [
      ...["created_at", "erased_at"].map((column) => `accounts.${column}`),
      ...["expires_at", "revoked_at", "created_at"].map((column) => `tokens.${column}`),
      ...["expires_at", "created_at"].map((column) => `portal_links.${column}`),
      ...["created_at", "updated_at", "archived_at"].map((column) => `event_types.${column}`),
      "event_type_versions.created_at",
      "audit_entries.created_at",
      ...["failing_since", "resumed_at", "created_at", "updated_at", "ended_at"].map(
        (column) => `subscriptions.${column}`,
      ),
      "subscription_event_types.removed_at",
      ...["created_at", "expires_at"].map((column) => `signing_keys.${column}`),
      "events.created_at",
      "idempotency_keys.created_at",
      "fanouts.as_of_at",
      ...["next_attempt_at", "reconcile_after", "turn_at", "lease_until"].map((name) => `deliveries.${name}`),
      ...["created_at", "started_at", "ended_at"].map((column) => `deliveries.${column}`),
      "attempts.started_at",
      "delivery_changes.changed_at",
      "statistics.from_at",
      ...["since_at", "until_at", "workflow_at"].map((column) => `recoveries.${column}`),
      ...["created_at", "ended_at"].map((column) => `recoveries.${column}`),
      ...["workflow_at", "created_at", "ended_at"].map((column) => `erasures.${column}`),
    ],
  },
  // Microseconds; a line ends at most a year ahead, see `pace.ts` in domain.
  { max: TIME_MS * 1_000, columns: ["turns.line_us", "turns.retry_line_us", "turns.gate_us"] },
  { max: DATE_MS, columns: ["attempts.retry_after_ms"] },
  // At most one delivery for each subscription.
  { max: CONTRACT_ID_MAX, columns: ["idempotency_keys.delivery_count"] },
  {
    max: ATTEMPTS_OF_DELIVERY,
    columns: ["attempts.number", "deliveries.attempts", "delivery_changes.attempts"],
  },
  // An attempt takes at most 30 s; its worker may have been suspended meanwhile.
  { max: 20 * DAY_MS, columns: ["attempts.duration_ms", "delivery_changes.attempt_ms", "turns.hold_ms"] },
  {
    max: 999,
    columns: ["attempts.status", "deliveries.last_status", "delivery_changes.last_status"],
  },
  // Settings, whose ranges are validated. A portal session lasts at most a week.
  {
    max: 7 * DAY_MS,
    columns: [
      "subscriptions.timeout_ms",
      "subscriptions.rate_per_1000s",
      "subscriptions.rate_burst",
      "subscriptions.concurrency",
      "recoveries.rate_per_second",
      "portal_links.session_ms",
    ],
  },
  // Limits of the catalogue, and one of two constants.
  {
    max: 2 ** 30,
    columns: [
      "event_types.version",
      "event_types.bytes",
      "event_type_versions.version",
      "statistics.span_ms",
    ],
  },
  // Booleans, and the ids of single-row tables.
  {
    max: 1,
    columns: [
      "attempts.response_truncated",
      "deliveries.test",
      "deliveries.in_order",
      "recoveries.dry_run",
      "fanouts.has_delivery",
      "subscriptions.draining",
      "subscriptions.ending",
      "subscriptions.host_proven",
      "tokens.session",
      "change_counter.id",
      "installation.id",
      "statistics_cursor.id",
      "kysely_migration_lock.is_locked",
    ],
  },
];

/** What a column of these types holds, as far as JavaScript counts: 64 bits are a number there. */
const HOLDS: Readonly<Record<string, number>> = {
  int: 2 ** 31 - 1,
  bigint: Number.MAX_SAFE_INTEGER,
  INTEGER: Number.MAX_SAFE_INTEGER,
};

const NOT_NUMERIC = /char|text|blob|binary/i;

describe.each(["mysql", "sqlite"] as const)("every numeric column, on %s", (backend) => {
  let t: TestStore;
  beforeEach(async () => {
    t = await createTestStore(backend);
  });
  afterEach(() => t.dispose());

  test("is listed with what it reaches, and is wide enough for it", async () => {
    const columns = await numericColumns(t);
    const listed = new Map(BOUNDS.flatMap(({ max, columns }) => columns.map((name) => [name, max])));
    expect([...listed.keys()].sort()).toEqual(columns.map(({ name }) => name).sort());
    expect(listed.size).toBe(BOUNDS.flatMap((bound) => bound.columns).length);
    const narrow = columns.filter(({ name, type }) => !((listed.get(name) ?? 0) <= (HOLDS[type] ?? 0)));
    expect(narrow).toEqual([]);
  });
});

async function numericColumns({ store }: TestStore): Promise<{ name: string; type: string }[]> {
  const { rows } =
    store.seam.name === "mysql"
      ? await sql<{ name: string; type: string }>`
          select concat(table_name, '.', column_name) as name, data_type as type
          from information_schema.columns where table_schema = database()`.execute(store.db)
      : await sql<{ name: string; type: string }>`
          select m.name || '.' || c.name as name, c.type as type
          from sqlite_schema as m join pragma_table_info(m.name) as c
          where m.type = 'table' and m.name not like 'sqlite_%'`.execute(store.db);
  return rows.map(({ name, type }) => ({ name, type })).filter(({ type }) => !NOT_NUMERIC.test(type));
}

test("the histogram of a quarter of an hour fits its column even if each of its counters is at its end", () => {
  const took = new Array(14).fill(Number.MAX_SAFE_INTEGER);
  expect(JSON.stringify(took).length).toBeLessThanOrEqual(255);
});
