import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { DAY_MS, SCOPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createInboxes } from "../src/inbox/inboxes.ts";
import { type Bench, startBench } from "./fixture.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.dispose());

describe("a portal link", () => {
  const create = async (body: object) => {
    const token = await bench.tokenWith(SCOPES);
    return await bench.rpc(
      "AccountService/CreatePortalLink",
      { accountId: bench.accountId, ...body },
      { token },
    );
  };
  const scopes = ["deliveries:read"];
  const openIt = (portalCode: string) =>
    bench.rpc("SessionService/OpenSession", { portalCode }, { token: null });

  test("opens a session once, without a token, and the session describes itself", async () => {
    const { body } = await create({ scopes });
    const code = String(body.path).split("#")[1] ?? "";
    const opened = await openIt(code);
    expect(opened.body).toMatchObject({
      secret: expect.stringMatching(/^pht_/),
      session: { accountId: bench.accountId, accountName: "test", scopes, inboxes: true },
    });
    const endsIn = Date.parse(opened.body.session.expiresAt) - Date.now();
    expect(Math.round(endsIn / 60_000)).toBe(60);
    const read = await bench.rpc("SessionService/GetSession", {}, { token: opened.body.secret });
    expect(read.body.session).toEqual(opened.body.session);
    expect((await openIt(code)).body).toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining("already used or has expired"),
    });
    expect(JSON.stringify(bench.logged("request.completed"))).not.toContain(code);
  });

  test("is limited to one account, to scopes except admin, and in its lifetimes", async () => {
    expect((await create({ scopes: ["admin"] })).body).toMatchObject({ code: "invalid_argument" });
    expect((await create({ scopes: [] })).body).toMatchObject({ code: "invalid_argument" });
    expect((await create({ scopes, linkLifetime: "3601s" })).body.code).toBe("invalid_argument");
    expect((await create({ scopes, sessionLifetime: "2592001s" })).body.code).toBe("invalid_argument");
    expect((await create({ scopes, theme: 3 })).body.code).toBe("invalid_argument");
    expect((await create({ scopes, accountId: 999_999 })).body.code).toBe("not_found");
    const denied = await bench.rpc("AccountService/CreatePortalLink", { accountId: bench.accountId, scopes });
    expect(denied.body.code).toBe("permission_denied");
  });

  test("opens a session that lasts at most as long as the operator allows", async () => {
    expect((await create({ scopes, sessionLifetime: "43200s" })).status).toBe(200);
    expect((await create({ scopes, sessionLifetime: "43201s" })).body).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/at most 12 hours here.*POSTHASTE_PORTAL_SESSION_MAX_HOURS/),
    });
    const month = "2592000s";
    const lenient = await startBench({ limits: { portalSessionMaxMs: 30 * DAY_MS } });
    try {
      const token = await lenient.tokenWith(SCOPES);
      const body = { accountId: lenient.accountId, scopes, sessionLifetime: month };
      expect((await lenient.rpc("AccountService/CreatePortalLink", body, { token })).status).toBe(200);
    } finally {
      await lenient.dispose();
    }
  });

  test("may choose the theme of its session, which its path has, too", async () => {
    const { body } = await create({ scopes, theme: "THEME_DARK" });
    const [path, code = ""] = String(body.path).split("#");
    expect(path).toBe("/portal?theme=dark");
    const opened = await openIt(code);
    expect(opened.body.session).toMatchObject({ portal: true, theme: "THEME_DARK" });
    const read = await bench.rpc("SessionService/GetSession", {}, { token: opened.body.secret });
    expect(read.body.session).toEqual(opened.body.session);
  });

  test("is what makes a session a portal's: a token that somebody created is none", async () => {
    const read = await bench.rpc("SessionService/GetSession", {});
    expect(read.body.session).not.toHaveProperty("portal");
    expect(read.body.session).not.toHaveProperty("theme");
  });
});

describe("an inbox", () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${bench.url}${path}`, { method: "POST", body, headers });

  test("stores requests unchanged and streams them to its account as they arrive", async () => {
    const { inbox } = await bench.client.inboxes.createInbox({});
    if (inbox === undefined) throw new Error("no inbox");
    await post(inbox.path, "[1]", { "content-type": "text/odd", "x-one": "1", cookie: "secret=1" });
    const seen: string[] = [];
    const stop = new AbortController();
    const stream = bench.client.inboxes.watchInbox({ inboxId: inbox.id }, { signal: stop.signal });
    await expect(async () => {
      for await (const { requests } of stream) {
        for (const { body, headers, number, status } of requests) {
          seen.push(`${number} ${status} ${Buffer.from(body)}`);
          const names = headers.map(({ name }) => name);
          expect(names).not.toContain("cookie");
          if (number === 1n)
            expect(headers).toContainEqual(expect.objectContaining({ name: "x-one", value: "1" }));
        }
        if (seen.length === 1) {
          await bench.client.inboxes.setInboxAnswer({ inboxId: inbox.id, status: 503 });
          expect((await post(inbox.path, "[2]")).status).toBe(503);
        }
        if (seen.length === 2) stop.abort();
      }
    }).rejects.toThrow(/aborted|canceled/);
    expect(seen).toEqual(["1 200 [1]", "2 503 [2]"]);
  });

  test("that does not exist answers 410, so that a subscription to it ends", async () => {
    const answer = await post(`/inbox/${"0".repeat(32)}`, "[]");
    expect(answer.status).toBe(410);
    await expect(bench.client.inboxes.setInboxAnswer({ inboxId: "none", status: 200 })).rejects.toMatchObject(
      {
        code: Code.NotFound,
      },
    );
    await expect(bench.client.inboxes.setInboxAnswer({ inboxId: "none", status: 100 })).rejects.toThrow(
      ConnectError,
    );
  });

  test("refuses a body over the limit", async () => {
    const { inbox } = await bench.client.inboxes.createInbox({});
    const tooMuch = "x".repeat(2 * 1_048_576);
    expect((await post(inbox?.path ?? "", tooMuch)).status).toBe(413);
  });
});

test("an inbox tells of a request that arrived while those before it were sent", async () => {
  const inboxes = createInboxes(() => 0);
  const { id } = inboxes.create(1 as typeof bench.accountId);
  const request = { method: "POST", headers: [], body: Buffer.alloc(0) };
  inboxes.receive(id, request);
  const seen = inboxes.after(id, 0).length;
  inboxes.receive(id, request);
  const heartbeat = AbortSignal.timeout(500);
  await inboxes.next(id, seen, heartbeat);
  expect(heartbeat.aborted).toBe(false);
});

test("inboxes are bounded in number, in content and in time", () => {
  let now = 0;
  const inboxes = createInboxes(() => now);
  const [one, two] = [1 as typeof bench.accountId, 2 as typeof bench.accountId];
  const first = inboxes.create(one);
  for (let i = 0; i < 40; i += 1) {
    inboxes.receive(first.id, { method: "POST", headers: [], body: Buffer.alloc(20_000, "x") });
  }
  const kept = inboxes.after(first.id, 0);
  expect(kept.map(({ number }) => number)).toEqual(Array.from({ length: 30 }, (_, i) => i + 11));
  expect(kept.every(({ body, truncated }) => body.length === 16_384 && truncated)).toBe(true);
  expect(inboxes.get(two, first.id)).toBeUndefined();
  // The account's oldest inbox is replaced.
  for (let i = 0; i < 3; i += 1) inboxes.create(one);
  expect(inboxes.get(one, first.id)).toBeUndefined();
  for (let account = 10; account < 107; account += 1) inboxes.create(account as typeof one);
  expect(() => inboxes.create(two)).toThrow(/the maximum/);
  now += 24 * 3_600_000;
  expect(
    inboxes.receive(inboxes.create(two).id, { method: "POST", headers: [], body: Buffer.alloc(0) }),
  ).toBe(200);
});

test("statistics have buckets without gaps, and the backlog", async () => {
  const { buckets, bucket, total, backlog } = await bench.client.statistics.getStatistics({});
  expect(Number(bucket?.seconds)).toBe(900);
  expect([96, 97]).toContain(buckets.length);
  expect(buckets.map(({ from }) => (from === undefined ? 0 : timestampMs(from) % 900_000))).toEqual(
    buckets.map(() => 0),
  );
  expect(total).toMatchObject({ deliveries: 0n });
  expect(backlog).toMatchObject({ pending: 0, parked: 0 });
});
