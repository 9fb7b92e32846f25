import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { EGRESS_SETTINGS, egressRules, namesOf } from "@posthaste/delivery/client";
import { type AccountId, type DeliveryId, SCOPES, type Scope } from "@posthaste/domain";
import { type Log, noTracer, readConfig, silentLog } from "@posthaste/runtime";
import { createAccount, createIngest, createToken, readInstallation, type Store } from "@posthaste/store";
import { createTestStore } from "@posthaste/testkit";
import { afterAll } from "vitest";
import { createAccess } from "../src/access/create-access.ts";
import type { LoopTurnsOptions } from "../src/access/loop-turns.ts";
import { type Catalog, createCatalog } from "../src/catalog/catalog.ts";
import { createKnownSchemas } from "../src/catalog/schema/known-schemas.ts";
import { createSchemaThreads, type SchemaThreads } from "../src/catalog/schema/schema-threads.ts";
import type { ConsoleOptions } from "../src/console/console.ts";
import type { Counters } from "../src/counters.ts";
import { createTemporalWait } from "../src/deliveries/temporal-wait.ts";
import type { Deps } from "../src/deps.ts";
import type { RequestsUnderWay } from "../src/http/admission.ts";
import { LIMIT_SETTINGS, type Limits, limitsFrom } from "../src/http/limits.ts";
import { createReportFault } from "../src/http/problem.ts";
import type { Ingested } from "../src/http/request-line.ts";
import { createInboxes } from "../src/inbox/inboxes.ts";
import { type Api, type ApiOptions, startApi } from "../src/start-api.ts";

/** The API on a real socket, with a database of its own and one account. */
export type Bench = {
  readonly url: string;
  readonly store: Store;
  readonly databaseUrl: string;
  readonly accountId: AccountId;
  /** Has every scope except `admin`. */
  readonly token: string;
  readonly client: PosthasteClient;
  /** The deliveries whose attempt Temporal was asked to make due. */
  readonly retried: DeliveryId[];
  /** Counts the nudges to the workers. */
  nudges(): number;
  requestsUnderWay(): RequestsUnderWay;
  /** Counts what is open in the API. */
  counters(): Counters;
  /** What `/readyz` answers. */
  readiness: Api["readiness"];
  /** The requests that the metrics count. */
  readonly counted: readonly { readonly call: string; readonly code: string }[];
  /** What ingest calls stored, as the metrics count it. */
  readonly ingested: readonly Ingested[];
  /** The statuses of the messages that were no requests, as the metrics count them. */
  readonly unreadable: readonly number[];
  /** Why connections were closed beyond the maximum, one entry for each. */
  readonly closed: readonly ("idle" | "full" | "resets")[];
  /** Why requests got no turn, one entry for each. */
  readonly dropped: readonly ("ended" | "refused")[];
  /** Returns the fields of every log line with this name so far. */
  logged(event: string): Readonly<Record<string, unknown>>[];
  tokenWith(scopes: readonly Scope[], accountId?: AccountId): Promise<string>;
  accountWith(scopes: readonly Scope[]): Promise<{ accountId: AccountId; token: string }>;
  /** Sends a request to the REST gateway. Default token: this bench's; null for none. */
  rest(method: string, path: string, options?: RestOptions): Promise<RestAnswer>;
  /** Calls an RPC with JSON over Connect, as curl would. */
  rpc(
    method: string,
    body: unknown,
    options?: { token?: string | null; raw?: string; account?: number | string },
  ): Promise<RestAnswer>;
  /** Counts the rows of the tables that callers fill. */
  stored(): Promise<{ subscriptions: number; events: number; deliveries: number }>;
  stop(): Promise<void>;
  dispose(): Promise<void>;
};

export type RestOptions = {
  readonly body?: string | Uint8Array;
  readonly json?: unknown;
  readonly type?: string;
  /** The header `content-encoding`; the body is sent unchanged. */
  readonly encoding?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
};
// biome-ignore lint/suspicious/noExplicitAny: tests inspect answers field by field
export type RestAnswer = { status: number; headers: Headers; body: any };

/** Shared by the benches of a file: to start a thread takes longer than most tests. */
const threads = createSchemaThreads(silentLog);
// The suite of others runs without vitest. Idle threads do not keep its process.
if (process.env["VITEST"] !== undefined) afterAll(() => threads.stop());
/** Other benches' databases have schemas with the same key. */
const threadsOf = (databaseUrl: string): SchemaThreads => ({
  ...threads,
  check(accountId, { schemas, ...wanted }, signal) {
    const ofThis = schemas.map((schema) => ({ ...schema, key: `${databaseUrl} ${schema.key}` }));
    return threads.check(accountId, { ...wanted, schemas: ofThis }, signal);
  },
});

function watchTypesRead({ db }: Store, onRead: () => void): Store["db"] {
  return db.withPlugin({
    transformQuery: ({ node }) => {
      const isList = node.kind === "SelectQueryNode" && node.orderBy !== undefined;
      if (isList && JSON.stringify(node.from).includes('"event_types"')) onRead();
      return node;
    },
    transformResult: async ({ result }) => result,
  });
}

/** A catalogue like that of another process. */
export function createOtherCatalog(store: Store, clockMs?: () => number): Catalog {
  const access = createAccess(store, () => Date.now(), limitsFrom(readConfig(LIMIT_SETTINGS, {})));
  return createCatalog({ store, ...access }, clockMs);
}

export async function startBench(
  options: {
    retryNow?: Deps["retryNow"];
    wakeCancelled?: Deps["wakeCancelled"];
    isHeldByOperator?: Deps["isHeldByOperator"];
    /** How long calls wait for Temporal. Default: a minute. */
    temporalWaitMs?: number;
    signalRecovery?: Deps["signalRecovery"];
    whyTemporalAway?: Deps["whyTemporalAway"];
    limits?: Partial<Limits>;
    schemaThreads?: SchemaThreads;
    /** Default: the time. */
    catalogClockMs?: () => number;
    /** Called with every page that is read of an owner's event types. */
    onTypesRead?: () => void;
    loopTurns?: LoopTurnsOptions;
    database?: "sqlite" | "mysql";
    console?: ConsoleOptions;
    corsOrigins?: readonly string[];
    extendRoutes?: ApiOptions["extendRoutes"];
    /** Default: 5 s. */
    drainMs?: number;
  } = {},
): Promise<Bench> {
  const limits = { ...limitsFrom(readConfig(LIMIT_SETTINGS, {})), ...options.limits };
  const { store, url: databaseUrl, dispose } = await createTestStore(options.database ?? "sqlite");
  const account = await createAccount(store, { name: "test", now: Date.now() });
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const retried: DeliveryId[] = [];
  const counted: { call: string; code: string }[] = [];
  const ingested: Ingested[] = [];
  const unreadable: number[] = [];
  const closed: ("idle" | "full" | "resets")[] = [];
  const dropped: ("ended" | "refused")[] = [];
  let nudges = 0;
  const access = createAccess(store, () => Date.now(), limits, options.loopTurns);
  const db = watchTypesRead(store, options.onTypesRead ?? (() => {}));
  const catalog = createCatalog({ store: { ...store, db }, ...access }, options.catalogClockMs);
  const log = recordingLog(lines);
  const schemaThreads = options.schemaThreads ?? threadsOf(databaseUrl);
  const api = await startApi({
    deps: {
      store,
      log,
      reportFault: createReportFault(log),
      observer: {
        completed: ({ call, code }) => counted.push({ call, code }),
        ingested: (stored) => ingested.push(stored),
        faulted: () => {},
        unreadable: (status) => unreadable.push(status),
        dropped: (why) => dropped.push(why),
        connectionClosed: (why) => closed.push(why),
      },
      tracer: noTracer,
      catalog,
      knownSchemas: createKnownSchemas(catalog),
      schemaThreads,
      now: () => Date.now(),
      egressRules: egressRules(readConfig(EGRESS_SETTINGS, {})),
      // Short, because there is no worker to send the event.
      testEventWaitMs: 200,
      limits,
      ...access,
      ingest: createIngest(store),
      inboxes: createInboxes(() => Date.now()),
      fanOutMax: 1_000,
      names: namesOf(await readInstallation(store)),
      temporalUiUrl: "https://temporal.example",
      workflowUrl: (id) => `https://temporal.example/${id}`,
      whyTemporalAway: options.whyTemporalAway ?? (async () => undefined),
      signalRecovery: options.signalRecovery ?? (async () => {}),
      nudge: () => {
        nudges += 1;
      },
      temporalWait: createTemporalWait(options.temporalWaitMs ?? 60_000).wait,
      isHeldByOperator: options.isHeldByOperator ?? (async () => false),
      retryNow:
        options.retryNow ??
        (async (id) => {
          retried.push(id);
          return "retried";
        }),
      wakeCancelled: options.wakeCancelled ?? (async () => {}),
    },
    host: "127.0.0.1",
    port: 0,
    drainMs: options.drainMs ?? 5_000,
    corsOrigins: options.corsOrigins ?? [],
    ...(options.console === undefined ? {} : { console: options.console }),
    ...(options.extendRoutes === undefined ? {} : { extendRoutes: options.extendRoutes }),
  });
  const tokenWith = async (scopes: readonly Scope[], accountId = account.id) =>
    (await createToken(store, { accountId, name: "test", scopes, expiresAt: null, now: Date.now() })).secret;
  const token = await tokenWith(SCOPES.filter((scope) => scope !== "admin"));
  const client = createPosthasteClient({ baseUrl: api.url, token });

  const send = async (
    path: string,
    init: RequestInit,
    as: string | null | undefined,
  ): Promise<RestAnswer> => {
    const headers = new Headers(init.headers);
    if (as !== null) headers.set("authorization", `Bearer ${as ?? token}`);
    const response = await fetch(`${api.url}${path}`, { ...init, headers, redirect: "manual" });
    const text = await response.text();
    const isJson = (response.headers.get("content-type") ?? "").includes("json");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== "" ? JSON.parse(text) : text,
    };
  };
  return {
    url: api.url,
    store,
    counted,
    ingested,
    unreadable,
    closed,
    dropped,
    databaseUrl,
    accountId: account.id,
    token,
    client,
    retried,
    nudges: () => nudges,
    requestsUnderWay() {
      const { token, public: withoutToken } = api.counters();
      return { token, public: withoutToken };
    },
    counters: api.counters,
    readiness: api.readiness,
    logged: (event) => lines.filter((line) => line.event === event).map((line) => line.fields),
    tokenWith,
    async accountWith(scopes) {
      const other = await createAccount(store, { name: "other", now: Date.now() });
      return { accountId: other.id, token: await tokenWith(scopes, other.id) };
    },
    async rest(method, path, { body, json, type, encoding, headers, token: as } = {}) {
      const payload = json === undefined ? body : JSON.stringify(json);
      const contentType = type ?? (payload === undefined ? undefined : "application/json");
      return await send(
        path,
        {
          method,
          headers: {
            ...(contentType === undefined ? {} : { "content-type": contentType }),
            ...(encoding === undefined ? {} : { "content-encoding": encoding }),
            ...headers,
          },
          ...(payload === undefined ? {} : { body: payload as string }),
        },
        as,
      );
    },
    async rpc(method, body, { token: as, raw, account } = {}) {
      return await send(
        `/posthaste.v1.${method}`,
        {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(account === undefined ? {} : { "posthaste-account": String(account) }),
          },
          body: raw ?? JSON.stringify(body),
        },
        as,
      );
    },
    async stored() {
      const count = async (table: "subscriptions" | "events" | "deliveries") => {
        const { n } = await store.db
          .selectFrom(table)
          .select((eb) => eb.fn.countAll().as("n"))
          .executeTakeFirstOrThrow();
        return Number(n);
      };
      return {
        subscriptions: await count("subscriptions"),
        events: await count("events"),
        deliveries: await count("deliveries"),
      };
    },
    stop: api.stop,
    async dispose() {
      await client.close();
      await api.stop();
      await dispose();
    },
  };
}

function recordingLog(lines: { event: string; fields: Readonly<Record<string, unknown>> }[]): Log {
  const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) =>
    void lines.push({ event, fields });
  const log: Log = {
    info: add,
    warn: add,
    error: (event, error, fields) => add(event, { ...fields, error }),
    with: () => log,
  };
  return log;
}
