import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RestAnswer } from "../fixture.ts";
import {
  type Call,
  everyRoute,
  everyRpc,
  idsNamedIn,
  type Naming,
  nothing,
  thoseOf,
  withoutIds,
} from "./calls.ts";
import { NEVER, startTwoAccounts, type Thing, type Things, type TwoAccounts } from "./two-accounts.ts";

/**
 * The calls that succeed with another account's token, and why that is safe. A call that is not listed must
 * name a thing by an id and must be refused. So a new RPC, route or id is tested automatically, or fails
 * until it is listed here.
 */
const ANSWERED = {
  /** Creates something for the caller's account. */
  creates: {
    "SubscriptionService/CreateSubscription": "a URL is unique within an account",
    "EventIngestService/IngestEvent": "an idempotency key is unique within an account",
    "EventIngestService/IngestEvents": "an idempotency key is unique within an account",
    "EventCatalogService/CreateEventType": "a code is unique among what an account sees",
    "POST /api/Webhook": "a URL is unique within an account",
  },
  /** Lists only what belongs to the caller's account. */
  lists: {
    "SubscriptionService/ListSubscriptions": "takes no id: lists only the caller's subscriptions",
    "DeliveryService/ListDeliveries": "its ids are filters: lists only the caller's deliveries",
    "DeliveryService/ListEvents": "its values are filters: lists only the caller's events",
    "DeliveryService/WatchDeliveries": "its id is a filter: shows only the caller's deliveries",
    "DeliveryService/ListRecoveries": "takes no id: lists only the caller's recoveries",
    "EventCatalogService/ListEventTypes": "takes no id: lists the shared types and the caller's",
    "GET /api/Webhook": "takes no id: lists only the caller's subscriptions",
  },
  /** Shows or changes the caller's account itself. */
  chooses: {
    "EventCatalogService/GetSchemaCheck": "takes no id: reads the caller's setting",
    "EventCatalogService/SetSchemaCheck": "takes no id: changes the caller's setting",
    "SessionService/GetSession": "takes no id: describes the caller's token",
    "StatisticsService/GetStatistics": "takes no id: counts only the caller's events",
    "InboxService/CreateInbox": "takes no id: creates an inbox for the caller, in memory",
  },
  /** Is denied to everyone except administrators, who see every account. */
  administers: {
    "AccountService/CreateAccount": "takes no id: creates an account",
    "AccountService/SetLane": "for administrators, who see every account",
    "AccountService/ListAccounts": "takes no id: lists every account",
    "OperatorService/GetInstallation": "takes no id: describes the installation",
    "OperatorService/ListAccountStates": "takes no id: lists every account",
    "OperatorService/ListFailingSubscriptions": "for administrators, who see every account",
    "OperatorService/ListUnfinishedRecoveries": "takes no id: lists those of every account",
  },
  /** Needs no token. A trailing `*` matches any rest. */
  public: {
    "GET /.well-known/webhook-keys/:keySet": "serves public keys, at a path that cannot be guessed",
    "SessionService/OpenSession": "the code names the account and cannot be guessed",
    "POST /inbox/:inboxId": "is a receiver, at a path that cannot be guessed",
    "GET /healthz": "reports the server's health",
    "GET /readyz": "reports the server's health",
    "GET /api/openapi.json": "is documentation",
    "GET /api/docs*": "is documentation",
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
type How = keyof typeof ANSWERED;

const RPCS = await everyRpc();
const { routes: ROUTES, served: SERVED } = await everyRoute();
const CALLS: readonly Call[] = [...RPCS, ...ROUTES];
const isOf = (entry: string) => (call: Call) =>
  entry.endsWith("*") ? call.name.startsWith(entry.slice(0, -1)) : call.name === entry;
const howOf = (call: Call): How | "refuses" =>
  (Object.keys(ANSWERED) as How[]).find((how) =>
    Object.keys(ANSWERED[how]).some((entry) => isOf(entry)(call)),
  ) ?? "refuses";
const callsThat = (...hows: (How | "refuses")[]) =>
  CALLS.filter((call) => hows.includes(howOf(call))).map((call) => [call.name, call] as const);

let t: TwoAccounts;
const start = async () => {
  t = await startTwoAccounts();
};
/**
 * Shares the accounts among tests whose calls change nothing; the tests assert that, except for public calls.
 */
const shareAccounts = () => {
  beforeAll(start);
  afterAll(() => t.dispose());
};

describe("with another account's token", () => {
  beforeEach(start);
  afterEach(() => t.dispose());

  test.each(callsThat("refuses"))("%s finds nothing and changes nothing", async (_name, call) => {
    const { bench, second } = t;
    const first = await firstsThings(call);
    const names = idsNamedIn(call);
    const named = names.filter(({ thing }) => thing !== "page");
    expect(named, `${call.name} names nothing by an id: add it to ANSWERED with a reason`).not.toEqual([]);
    const [rows, nudges] = [await t.rows(), bench.nudges()];
    // Administrators' calls see every account. All other calls are closed even to administrators of other
    // accounts.
    for (const token of [second.token, ...(call.administers ? [] : [second.administrator])]) {
      for (const only of [undefined, ...names]) {
        // Either all ids are the first account's, or one is and the others are the caller's.
        const mixed = (things: Things) => (field: string, thing: Thing) =>
          (only === undefined || only.field === field ? things : second.things)[thing];
        const answer = await call.request(mixed(first))(bench, token);
        if (only?.thing === "page") {
          // A page token of the first account is not a secret: it selects from what the caller may see.
          expect(answer.status < 300 && t.first.isShownIn(answer.body)).toBe(false);
          continue;
        }
        const tried = `with the first account's ${only?.field ?? "ids"}: ${JSON.stringify(answer.body)}`;
        expect(["not_found", "permission_denied", 404, 403], tried).toContain(codeOf(answer));
        const missing = await call.request(mixed({ ...NEVER, page: first.page }))(bench, token);
        expect(withoutIds(answer, first), "differs from the answer for an unknown id").toBe(
          withoutIds(missing, NEVER),
        );
      }
    }
    expect(await t.rows()).toEqual(rows);
    expect([bench.nudges(), bench.retried]).toEqual([nudges, []]);
    // The thing exists: its owner reaches it with the same request.
    await askAsOwner(call, thoseOf(first));
  });

  test.each(callsThat("lists"))(
    "%s shows each account only its own data, whatever ids the request names",
    async (_name, call) => {
      const first = await firstsThings(call);
      const alone = idsNamedIn(call).map(
        (only): Naming =>
          (field, thing) =>
            only.field === field ? first[thing] : undefined,
      );
      const rows = await t.rows();
      for (const naming of [nothing, ...alone, thoseOf(first)]) {
        expect(t.first.isShownIn((await askAsOwner(call, naming)).body)).toBe(true);
        for (const token of [t.second.token, t.second.administrator]) {
          const { status, body } = await call.request(naming)(t.bench, token);
          expect([200, 403, 404]).toContain(status);
          expect(t.first.isShownIn(body)).toBe(false);
        }
      }
      const { body } = await call.request(nothing)(t.bench, t.second.token);
      expect(t.second.isShownIn(body)).toBe(true);
      expect(await t.rows()).toEqual(rows);
    },
  );

  test.each(callsThat("creates"))(
    "%s creates a thing for the caller, even if another account has an equal one",
    async (_name, call) => {
      const first = await firstsThings(call);
      const rows = await t.rowsOfFirst();
      const before = (await t.rows()).length;
      const answer = await call.request(thoseOf(first))(t.bench, t.second.token);
      expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
      expect(t.first.isShownIn(answer.body)).toBe(false);
      expect(await t.rowsOfFirst()).toEqual(rows);
      expect((await t.rows()).length).toBeGreaterThan(before);
      // It is the same thing: for its owner, it already exists.
      const again = await call.request(thoseOf(first))(t.bench, t.first.token);
      expect(again.status === 409 || t.first.isShownIn(again.body)).toBe(true);
    },
  );

  test.each(callsThat("chooses"))("%s leaves other accounts unchanged", async (_name, call) => {
    const rows = await t.rowsOfFirst();
    const answer = await call.request(nothing)(t.bench, t.second.token);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    expect(t.first.isShownIn(answer.body)).toBe(false);
    expect(await t.rowsOfFirst()).toEqual(rows);
    await askAsOwner(call, nothing);
  });

  test.each(callsThat("administers"))("%s is denied except to administrators", async (_name, call) => {
    const first = await firstsThings(call);
    const rows = await t.rows();
    const answer = await call.request(thoseOf(first))(t.bench, t.second.token);
    expect(["permission_denied", 403]).toContain(codeOf(answer));
    expect(await t.rows()).toEqual(rows);
    await askAsOwner(call, thoseOf(first));
  });
});

describe("with any token or none", () => {
  shareAccounts();

  test.each(callsThat("public"))("%s reveals nothing about any account", async (_name, call) => {
    for (const token of [null, t.second.token, t.first.token]) {
      const answer = await call.request(thoseOf(t.first.things))(t.bench, token);
      expect(t.first.isShownIn(answer.body)).toBe(false);
    }
  });
});

describe("even with the right ids", () => {
  shareAccounts();

  const forTokens = callsThat("refuses", "lists", "creates", "chooses", "administers");
  test.each(forTokens)("%s does nothing without a token", async (_name, call) => {
    const first = await firstsThings(call);
    const rows = await t.rows();
    for (const token of [null, "pht_wrong"]) {
      const answer = await call.request(thoseOf(first))(t.bench, token);
      expect(["unauthenticated", 401]).toContain(codeOf(answer));
    }
    expect(await t.rows()).toEqual(rows);
  });

  const forScopes = callsThat("refuses", "lists", "creates", "chooses", "administers").filter(
    ([, call]) => !call.anyToken,
  );
  test.each(forScopes)("%s does nothing with a token that lacks the scope", async (_name, call) => {
    const first = await firstsThings(call);
    const rows = await t.rows();
    const token = call.reads ? t.first.onlyWrites : t.first.onlyReads;
    const answer = await call.request(thoseOf(first))(t.bench, token);
    expect(["permission_denied", 403]).toContain(codeOf(answer));
    expect(await t.rows()).toEqual(rows);
  });
});

describe("the list of calls is complete", () => {
  test("exactly the RPCs of the contracts are served", () => {
    expect(RPCS.length).toBeGreaterThan(15);
    expect(SERVED).toEqual(RPCS.map(({ name }) => name).sort());
  });

  const entries = Object.values(ANSWERED).flatMap((calls): [string, string][] => Object.entries(calls));
  test.each(entries)("%s still exists (%s)", (entry) => {
    expect(CALLS.filter(isOf(entry))).not.toEqual([]);
  });
});

/** Returns the first account's things and, if the call has pages, the token of its second page. */
async function firstsThings(call: Call): Promise<Things> {
  const { things } = t.first;
  if (!idsNamedIn(call).some(({ thing }) => thing === "page")) return things;
  // Leaves out filters, but not required ids.
  const naming = howOf(call) === "lists" ? nothing : thoseOf(things);
  const { body } = await askAsOwner(call, naming, { page_size: 1 });
  expect(body.nextPageToken, `${call.name} returned no second page to the first account`).toBeTruthy();
  return { ...things, page: body.nextPageToken };
}

async function askAsOwner(call: Call, naming: Naming, more = {}): Promise<RestAnswer> {
  const { administrator, token } = t.first;
  const answer = await call.request(naming, more)(t.bench, call.administers ? administrator : token);
  const hint = "VALUES may lack a field that it needs:";
  expect(
    answer.status,
    `${call.name} refused the owner; ${hint} ${JSON.stringify(answer.body)}`,
  ).toBeLessThan(300);
  return answer;
}

const codeOf = ({ body, status }: RestAnswer): unknown => body?.code ?? status;
