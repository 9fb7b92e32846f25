import { type AccountId, type DeliveryId, SCOPES, type Scope } from "@posthaste/domain";
import {
  claimDeliveries,
  createErasure,
  createRecovery,
  createToken,
  markStarted,
  orderChanges,
} from "@posthaste/store";
import { failedAttempt, recordAttempt } from "@posthaste/testkit";
import { type Bench, startBench } from "../fixture.ts";

/** What a request can name of an account: one id of each kind, a target URL, and a page token. */
export type Things = {
  readonly account: number | undefined;
  readonly token: number | undefined;
  readonly subscription: number | undefined;
  readonly event: string | undefined;
  readonly delivery: string | undefined;
  readonly recovery: number | undefined;
  readonly erasure: number | undefined;
  readonly inbox: string | undefined;
  /** The code of an event type that only this account sees. */
  readonly eventType: string | undefined;
  readonly url: string | undefined;
  readonly page: string | undefined;
};
export type Thing = keyof Things;

/** The first account's values other than ids, for requests that both accounts can send. */
export const FIRST = {
  targetUrl: "https://first.example/hook",
  eventType: "invoice_sent",
  dataJson: '{"InvoiceNumber":"INV-1"}',
  invoiceNumber: "INV-1",
  idempotencyKey: "inv-1-sent",
  /** The code of the first account's event type; other accounts may use the same code. */
  ownCode: "parcel_sent",
} as const;

/** Ids and values that no account has. */
export const NEVER: Things = {
  account: 719_999,
  token: 729_999,
  subscription: 739_999,
  event: `evt_${"0".repeat(26)}`,
  delivery: `dlv_${"0".repeat(26)}`,
  recovery: 749_999,
  erasure: 759_999,
  inbox: "0".repeat(32),
  eventType: "no_type_719999",
  url: "https://never.example/hook",
  page: undefined,
};

/** An account, its tokens, and one id of each kind. */
export type TestAccount = {
  readonly things: Things;
  /** A token with every scope, including `admin`. */
  readonly administrator: string;
  /** A token with every scope except `admin`. */
  readonly token: string;
  /** A token with the scopes of `token`, except those for reading. */
  readonly onlyWrites: string;
  /** A token with the scopes of `token`, except those for writing. */
  readonly onlyReads: string;
  /** Tells whether a text contains one of the account's ids. */
  isShownIn(text: unknown): boolean;
};

export type TwoAccounts = {
  readonly bench: Bench;
  readonly first: TestAccount;
  readonly second: TestAccount;
  /** Returns every row of every table, including tables added later. */
  rows(): Promise<string[]>;
  /** Returns the rows that contain one of the first account's ids. */
  rowsOfFirst(): Promise<string[]>;
  dispose(): Promise<void>;
};

/**
 * Starts a bench with two accounts that each have one of everything: tokens, subscriptions, events,
 * deliveries, …
 */
export async function startTwoAccounts(): Promise<TwoAccounts> {
  // Its calls name the other account's things in every field that any call has.
  const bench = await startBench({ limits: { refusesUnknownFields: false } });
  await numberFrom(bench, {
    accounts: 710_000,
    tokens: 720_000,
    subscriptions: 730_000,
    recoveries: 740_000,
    erasures: 750_000,
  });
  // The second account's delivery is older, so that it follows the first account's in a list, newest first.
  const second = await accountAt(
    bench,
    ["https://second.example/hook"],
    { ...FIRST, idempotencyKey: "" },
    [],
  );
  const first = await accountAt(bench, [FIRST.targetUrl, "https://first.example/other"], FIRST, [
    FIRST.ownCode,
  ]);
  // Otherwise the first watcher of deliveries would order the changes.
  await orderChanges(bench.store, Date.now());
  const rows = () => everyRow(bench);
  return {
    bench,
    first,
    second,
    rows,
    rowsOfFirst: async () => (await rows()).filter(first.isShownIn),
    dispose: () => bench.dispose(),
  };
}

/**
 * Starts the tables' ids at unique numbers, so that such a number in an answer or a row is an id, not a
 * count.
 */
async function numberFrom({ store }: Bench, starts: Readonly<Record<string, number>>): Promise<void> {
  const db = store.db.$extendTables<{ sqlite_sequence: { name: string; seq: number } }>();
  for (const [name, seq] of Object.entries(starts)) {
    await db.deleteFrom("sqlite_sequence").where("name", "=", name).execute();
    await db.insertInto("sqlite_sequence").values({ name, seq }).execute();
  }
}

async function accountAt(
  bench: Bench,
  targetUrls: readonly string[],
  event: { eventType: string; dataJson: string; idempotencyKey: string },
  codes: readonly string[],
): Promise<TestAccount> {
  const allBut = (left: (scope: Scope) => boolean) =>
    SCOPES.filter((scope) => scope !== "admin" && !left(scope));
  const { accountId, token } = await bench.accountWith(allBut(() => false));
  const send = async (method: string, body: unknown): Promise<void> => {
    const answer = await bench.rpc(method, body, { token });
    if (answer.status !== 200) throw new Error(`${method}: ${JSON.stringify(answer.body)}`);
  };
  for (const targetUrl of targetUrls) {
    await send("SubscriptionService/CreateSubscription", { targetUrl, eventTypes: [event.eventType] });
  }
  const ownType = `no_type_${accountId}`;
  for (const code of [...codes, ownType]) {
    await send("EventCatalogService/CreateEventType", { code, sampleJson: "{}" });
  }
  await send("EventIngestService/IngestEvent", event);
  await send("EventIngestService/IngestEvent", { ...event, idempotencyKey: "" });
  const delivery = await tryOnce(bench, accountId);
  const recovery = await createRecovery(bench.store, {
    accountId,
    kind: "recover",
    subscriptionId: null,
    sinceAt: 0,
    untilAt: Date.now(),
    isDryRun: true,
    ratePerSecond: 1,
    now: Date.now(),
  });
  await createRecovery(bench.store, { ...recovery, now: Date.now() });
  await bench.store.db
    .updateTable("subscriptions")
    .set({ failing_since: Date.now() })
    .where("account_id", "=", accountId)
    .execute();
  // As if it had sent what the account has.
  await bench.store.db
    .updateTable("deliveries")
    .set({ recovery_id: recovery.id })
    .where("account_id", "=", accountId)
    .execute();
  const erasure = await createErasure(bench.store, {
    accountId,
    key: { pointer: "/none", value: "x" },
    now: Date.now(),
  });
  const { token: named } = await createToken(bench.store, {
    accountId,
    name: "named in requests, never used",
    scopes: [],
    expiresAt: null,
    now: Date.now(),
  });
  const administrator = await bench.tokenWith(SCOPES, accountId);
  const onlyWrites = await bench.tokenWith(
    allBut((scope) => scope.endsWith(":read")),
    accountId,
  );
  const onlyReads = await bench.tokenWith(
    allBut((scope) => scope.endsWith(":write")),
    accountId,
  );
  const inbox = await bench.rpc("InboxService/CreateInbox", {}, { token });
  const shown = await idsIn(bench, accountId);
  return {
    things: {
      account: accountId,
      token: named.id,
      ...delivery,
      eventType: ownType,
      recovery: recovery.id,
      erasure: erasure.id,
      inbox: inbox.body.inbox.id,
      url: targetUrls[0],
      page: undefined,
    },
    administrator,
    token,
    onlyWrites,
    onlyReads,
    isShownIn: (text) => shown.test(typeof text === "string" ? text : JSON.stringify(text)),
  };
}

/**
 * Fails one attempt of the oldest subscription's first delivery, so that it can be retried and shows an
 * attempt.
 */
async function tryOnce({ store }: Bench, accountId: AccountId) {
  const now = Date.now();
  const { id, event_id, subscription_id } = await store.db
    .selectFrom("deliveries")
    .select(["id", "event_id", "subscription_id"])
    .where("account_id", "=", accountId)
    .orderBy("subscription_id")
    .orderBy("id")
    .executeTakeFirstOrThrow();
  const deliveryId = id as DeliveryId;
  await claimDeliveries(store, { owner: "x", limit: 100, inFlightMax: 100, leaseMs: 1_000, now: () => now });
  await markStarted(store, { owner: "x", ids: [deliveryId], now });
  await recordAttempt(store, {
    deliveryId,
    attempt: failedAttempt({ startedAt: now, targetUrl: FIRST.targetUrl }),
    state: "started",
    nextAttemptAt: now + 600_000,
    endedReason: null,
    now,
  });
  return { delivery: id, event: event_id, subscription: subscription_id };
}

async function idsIn({ store }: Bench, accountId: AccountId): Promise<RegExp> {
  const ids: (string | number)[] = [accountId, `no_type_${accountId}`];
  for (const table of [
    "tokens",
    "subscriptions",
    "events",
    "deliveries",
    "recoveries",
    "erasures",
  ] as const) {
    const rows = await store.db.selectFrom(table).select("id").where("account_id", "=", accountId).execute();
    ids.push(...rows.map((row) => row.id));
  }
  return new RegExp(String.raw`\b(${ids.join("|")})\b`);
}

async function everyRow({ store }: Bench): Promise<string[]> {
  const tables = await store.db.introspection.getTables();
  const db = store.db.$extendTables<Record<string, Record<string, unknown>>>();
  const rows = await Promise.all(
    tables.map(async ({ name }) =>
      (await db.selectFrom(name).selectAll().execute()).map((row) => `${name} ${JSON.stringify(row)}`),
    ),
  );
  return rows.flat().sort();
}
