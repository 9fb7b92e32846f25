import { verify } from "@posthaste/signature";
import { countChanges, orderChanges, type Store } from "@posthaste/store";
import { keepDeleted, readAll } from "@posthaste/testkit";
import type { Seen } from "../receivers.ts";
import type { Settled } from "../settle.ts";
import type { World } from "../world.ts";
import type {
  Facts,
  StoredAttempt,
  StoredChange,
  StoredCounts,
  StoredDelivery,
  StoredErasure,
  StoredEvent,
} from "./facts.ts";

/** The tables from which retention and erasures delete what the checks need. */
const DELETED_FROM = ["events", "deliveries", "attempts", "delivery_changes"] as const;

/** The tables with rows of an account; `accounts` and `erasures` keep theirs, without what was erased. */
const OF_ACCOUNTS = [
  ...([
    "tokens",
    "portal_links",
    "statistics",
    "subscriptions",
    "signing_keys",
    "turns",
    "turn_slots",
  ] as const),
  ...([
    "subscription_event_types",
    "events",
    "event_keys",
    "idempotency_keys",
    "fanouts",
    "recoveries",
  ] as const),
  ...(["deliveries", "delivery_changes", "attempts", "event_types", "event_type_versions"] as const),
] as const;

/** Makes the database keep what is deleted, so that the checks know all that ever was. */
export async function watchDeletions(store: Store): Promise<void> {
  await keepDeleted(store, DELETED_FROM);
}

/** Gathers what is known after a run. Nothing may move any more. */
export async function gatherFacts(
  { stack, ledger, callers }: World,
  seen: readonly Seen[],
  settled: Settled,
): Promise<Facts> {
  const { store } = stack;
  // As the workers would within a second.
  while ((await orderChanges(store, Date.now())) > 0);
  while ((await countChanges(store)) > 0);
  const deliveries = await everOf<StoredDelivery>(
    store,
    "deliveries",
    ["id"],
    [
      ...["id", "account_id", "event_id", "event_type", "subscription_id", "state", "attempts"],
      ...["next_attempt_at", "reconcile_after", "created_at", "started_at", "ended_reason", "recovery_id"],
    ],
  );
  const erasures = await readAll<StoredErasure>(store, {
    table: "erasures",
    columns: ["id", "account_id", "state", "ended_at"],
    key: ["id"],
  });
  return {
    accepted: ledger.accepted,
    known: ledger.subscriptions,
    accountIds: { good: callers.good.accountId, hostile: callers.hostile.accountId },
    cancelled: ledger.cancelled,
    faults: ledger.faults,
    acts: ledger.acts,
    troubles: ledger.troubles,
    subscriptions: await readAll(store, {
      table: "subscriptions",
      columns: ["id", "account_id", "target_url", "state", "draining", "ending", "ended_at"],
      key: ["id"],
    }),
    events: await everOf<StoredEvent>(
      store,
      "events",
      ["id"],
      [...["id", "account_id", "event_type", "data", "created_at"]],
    ),
    deliveries,
    attempts: await everOf<StoredAttempt>(
      store,
      "attempts",
      ["delivery_id", "number"],
      [
        ...["delivery_id", "number", "account_id", "target_url", "outcome", "status"],
        ...["started_at", "duration_ms", "retry_after_ms"],
      ],
    ),
    changes: await everOf<StoredChange>(
      store,
      "delivery_changes",
      ["id"],
      [
        ...["id", "batch", "account_id", "delivery_id", "event_id", "subscription_id", "cause", "state"],
        ...["attempts", "attempt_ms", "last_outcome", "changed_at"],
      ],
    ),
    fanouts: await readAll(store, { table: "fanouts", columns: ["event_id"], key: ["event_id"] }),
    recoveries: await readAll(store, {
      table: "recoveries",
      columns: ["id", "account_id", "kind", "subscription_id", "state", "until_at", "created_at", "ended_at"],
      key: ["id"],
    }),
    erasures,
    statistics: await statisticsIn(store),
    erasedRows: await erasedRows(store, erasures),
    seen,
    unsigned: await unsignedIn(seen, deliveries, ledger.subscriptions),
    ...settled,
    now: Date.now(),
  };
}

/** Reads the rows of a table, and those that were deleted from it. */
async function everOf<Row>(
  store: Store,
  table: (typeof DELETED_FROM)[number],
  key: readonly string[],
  columns: readonly string[],
): Promise<(Row & { isDeleted: boolean })[]> {
  const read = async (deleted: boolean) =>
    (await readAll<Row>(store, { table, columns, key, deleted })).map((row) => ({
      ...row,
      isDeleted: deleted,
    }));
  return [...(await read(false)), ...(await read(true))];
}

async function statisticsIn(store: Store): Promise<StoredCounts[]> {
  const key = ["account_id", "span_ms", "from_at"];
  const counters = ["events", "deliveries", "succeeded", "failed", "attempts", "accepted"];
  return await readAll<StoredCounts>(store, { table: "statistics", columns: [...key, ...counters], key });
}

async function erasedRows({ db }: Store, erasures: readonly StoredErasure[]): Promise<Facts["erasedRows"]> {
  const ids = erasures.filter(({ state }) => state === "completed").map((row) => row.account_id);
  if (ids.length === 0) return [];
  const found = await Promise.all(
    OF_ACCOUNTS.map(async (table) => {
      const rows = await db
        .selectFrom(table)
        .select(["account_id", ({ fn }) => fn.countAll().as("rows")])
        .where("account_id", "in", ids as never)
        .groupBy("account_id")
        .execute();
      return rows.map((row) => ({ table, accountId: Number(row.account_id), rows: Number(row.rows) }));
    }),
  );
  const audited = await db
    .selectFrom("audit_entries")
    .select(["account_id", ({ fn }) => fn.countAll().as("rows")])
    .where("account_id", "in", ids as never)
    // It says that the account was erased.
    .where("subject", "!=", "erasure")
    .groupBy("account_id")
    .execute();
  const entries = audited.map((row) => ({
    table: "audit_entries",
    accountId: Number(row.account_id),
    rows: Number(row.rows),
  }));
  return [...found.flat(), ...entries];
}

/** Returns the requests whose signature does not verify. */
async function unsignedIn(
  seen: readonly Seen[],
  deliveries: readonly StoredDelivery[],
  known: Facts["known"],
): Promise<Seen[]> {
  const subscriptionOf = new Map(deliveries.map((row) => [row.id, row.subscription_id]));
  const unsigned: Seen[] = [];
  for (const one of seen) {
    const secret = known.get(subscriptionOf.get(one.deliveryId) ?? 0)?.secret;
    if (secret === undefined) continue;
    const { headers, body } = one.request;
    const now = Number(headers["webhook-timestamp"]) * 1_000;
    await verify({ headers, body }, [secret], { now }).catch(() => unsigned.push(one));
  }
  return unsigned;
}
