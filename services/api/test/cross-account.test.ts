import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Call,
  everyRoute,
  everyRpc,
  idsNamedIn,
  type Naming,
  NEVER,
  nothing,
  startTwoAccounts,
  type Thing,
  type Things,
  type TwoAccounts,
  thoseOf,
  withoutIds,
} from "./cross-account-fixture.ts";
import type { RestAnswer } from "./fixture.ts";

/**
 * What becomes of a call with another account's token, and why that may be. A call that is not listed here has to be
 * refused, and to name what it wants by an id. So a new RPC, route or id is tried without a word here, or fails until
 * its reason stands here.
 */
const ANSWERED = {
  /** Makes something of the caller's own. */
  creates: {
    "SubscriptionService/CreateSubscription": "a URL is unique within an account",
    "EventIngestService/IngestEvent": "an idempotency key is unique within an account",
    "EventIngestService/IngestEvents": "an idempotency key is unique within an account",
    "EventCatalogService/CreateEventType": "a code is unique among what an account sees",
    "POST /api/Webhook": "a URL is unique within an account",
  },
  /** Shows only the caller's own. */
  lists: {
    "SubscriptionService/ListSubscriptions": "names nothing: shows only its own",
    "DeliveryService/ListDeliveries": "its ids are filters: shows only its own",
    "DeliveryService/WatchDeliveries": "its id is a filter: shows only its own",
    "DeliveryService/ListRecoveries": "names nothing: shows only its own",
    "EventCatalogService/ListEventTypes": "names nothing: shows what is everyone's, and its own",
    "GET /api/Webhook": "names nothing: shows only its own",
  },
  /** Shows or changes the caller's account itself. */
  chooses: {
    "EventCatalogService/GetSchemaCheck": "names nothing: it is the caller's own choice",
    "EventCatalogService/SetSchemaCheck": "names nothing: it is the caller's own choice",
    "SessionService/GetSession": "names nothing: it is the caller's own token",
    "StatisticsService/GetStatistics": "names nothing: counts only its own",
    "InboxService/CreateInbox": "names nothing: makes one of the caller's own, in memory",
  },
  /** Is denied to all but administrators, who see every account. */
  administers: {
    "AccountService/CreateAccount": "names no account: it makes one",
    "AccountService/SetLane": "for administrators, who see all of them",
    "AccountService/ListAccounts": "names no account: it shows all of them",
  },
  /** Answers 405. */
  impossible: {
    "PUT /api/Webhook": "nothing is changed by REST",
    "PATCH /api/Webhook": "nothing is changed by REST",
    "PUT /api/Webhook/:id": "nothing is changed by REST",
    "PATCH /api/Webhook/:id": "nothing is changed by REST",
    "POST /api/Webhook/:id": "a subscription is created in the collection",
  },
  /** Needs no token. `*` stands for whatever follows. */
  public: {
    "OPTIONS /api/Webhook": "tells which methods there are",
    "OPTIONS /api/Webhook/:id": "tells which methods there are",
    "GET /.well-known/webhook-keys/:keySet": "is of public keys, by a name that nobody can guess",
    "SessionService/OpenSession": "the code says whose it is, and nobody can guess one",
    "POST /inbox/:inboxId": "is a receiver, at an address that nobody can guess",
    "GET /healthz": "tells how the server is",
    "GET /readyz": "tells how the server is",
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
/** For calls that change nothing: these tests hold them to it, and the public ones have nothing to change. */
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
    expect(
      named,
      `${call.name} names nothing by an id: say in ANSWERED what becomes of it, and why`,
    ).not.toEqual([]);
    const [rows, nudges] = [await t.rows(), bench.nudges()];
    // An administrator's own calls see every account; all others are as closed to one as to anybody.
    for (const token of [second.token, ...(call.administers ? [] : [second.administrator])]) {
      for (const only of [undefined, ...names]) {
        // All ids are the first's, or one is, among ids of the caller's own.
        const mixed = (things: Things) => (field: string, thing: Thing) =>
          (only === undefined || only.field === field ? things : second.things)[thing];
        const answer = await call.request(mixed(first))(bench, token);
        if (only?.thing === "page") {
          // Where a page of the first's ended is no secret: it selects from what the caller may see.
          expect(answer.status < 300 && t.first.isShownIn(answer.body)).toBe(false);
          continue;
        }
        const tried = `with the first account's ${only?.field ?? "ids"}: ${JSON.stringify(answer.body)}`;
        expect(["not_found", "permission_denied", 404, 403], tried).toContain(codeOf(answer));
        const missing = await call.request(mixed({ ...NEVER, page: first.page }))(bench, token);
        expect(withoutIds(answer, first), "told apart from what nobody has").toBe(withoutIds(missing, NEVER));
      }
    }
    expect(await t.rows()).toEqual(rows);
    expect([bench.nudges(), bench.retried]).toEqual([nudges, []]);
    // And it is there: its owner gets at it, by the same request.
    await askAsOwner(call, thoseOf(first));
  });

  test.each(callsThat("lists"))(
    "%s shows each account its own, whatever is asked for",
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
    "%s makes the caller its own, beside the same of another account",
    async (_name, call) => {
      const first = await firstsThings(call);
      const rows = await t.rowsOfFirst();
      const before = (await t.rows()).length;
      const answer = await call.request(thoseOf(first))(t.bench, t.second.token);
      expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
      expect(t.first.isShownIn(answer.body)).toBe(false);
      expect(await t.rowsOfFirst()).toEqual(rows);
      expect((await t.rows()).length).toBeGreaterThan(before);
      // And it is the same: the owner is told that it is there already.
      const again = await call.request(thoseOf(first))(t.bench, t.first.token);
      expect(again.status === 409 || t.first.isShownIn(again.body)).toBe(true);
    },
  );

  test.each(callsThat("chooses"))("%s leaves what another account chose", async (_name, call) => {
    const rows = await t.rowsOfFirst();
    const answer = await call.request(nothing)(t.bench, t.second.token);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    expect(t.first.isShownIn(answer.body)).toBe(false);
    expect(await t.rowsOfFirst()).toEqual(rows);
    await askAsOwner(call, nothing);
  });

  test.each(callsThat("administers"))("%s is denied, administrators excepted", async (_name, call) => {
    const first = await firstsThings(call);
    const rows = await t.rows();
    const answer = await call.request(thoseOf(first))(t.bench, t.second.token);
    expect(["permission_denied", 403]).toContain(codeOf(answer));
    expect(await t.rows()).toEqual(rows);
    await askAsOwner(call, thoseOf(first));
  });
});

describe("whoever asks", () => {
  shareAccounts();

  test.each(callsThat("impossible"))("%s is not possible and changes nothing", async (_name, call) => {
    const rows = await t.rows();
    for (const token of [null, t.second.token, t.first.token]) {
      expect((await call.request(thoseOf(t.first.things))(t.bench, token)).status).toBe(405);
    }
    expect(await t.rows()).toEqual(rows);
  });

  test.each(callsThat("public"))("%s tells nothing of any account", async (_name, call) => {
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

describe("nothing is left out", () => {
  test("every RPC of the contracts is served, and none besides", () => {
    expect(RPCS.length).toBeGreaterThan(15);
    expect(SERVED).toEqual(RPCS.map(({ name }) => name).sort());
  });

  const entries = Object.values(ANSWERED).flatMap((calls): [string, string][] => Object.entries(calls));
  test.each(entries)("%s is still there (%s)", (entry) => {
    expect(CALLS.filter(isOf(entry))).not.toEqual([]);
  });
});

/** The first account's things, and the end of the first page that this call shows of them, if it has pages. */
async function firstsThings(call: Call): Promise<Things> {
  const { things } = t.first;
  if (!idsNamedIn(call).some(({ thing }) => thing === "page")) return things;
  // Without filters, but with what has to be named.
  const naming = howOf(call) === "lists" ? nothing : thoseOf(things);
  const { body } = await askAsOwner(call, naming, { page_size: 1 });
  expect(body.nextPageToken, `${call.name} gave the first account no second page`).toBeTruthy();
  return { ...things, page: body.nextPageToken };
}

async function askAsOwner(call: Call, naming: Naming, more = {}): Promise<RestAnswer> {
  const { administrator, token } = t.first;
  const answer = await call.request(naming, more)(t.bench, call.administers ? administrator : token);
  const hint = "has VALUES one for each field that it needs?";
  expect(
    answer.status,
    `${call.name} refused the owner; ${hint} ${JSON.stringify(answer.body)}`,
  ).toBeLessThan(300);
  return answer;
}

const codeOf = ({ body, status }: RestAnswer): unknown => body?.code ?? status;
