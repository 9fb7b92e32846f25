import { HOUR_MS } from "@posthaste/domain";
import { expect, test } from "vitest";
import { authenticate, createPortalLink, createToken, listTokens, openPortalLink } from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";

onEachDatabase("a portal link", (bench) => {
  const link = (over: Partial<Parameters<typeof createPortalLink>[1]> = {}) =>
    createPortalLink(bench().store, {
      accountId: bench().accountId,
      scopes: ["deliveries:read"],
      expiresAt: NOW + 900_000,
      sessionMs: HOUR_MS,
      now: NOW,
      ...over,
    });

  test("opens a session with the scopes of the link, until the session expires", async () => {
    const { store, accountId } = bench();
    const code = await link();
    expect(code).toMatch(/^phl_\w{46}$/);
    const opened = await openPortalLink(store, { code, now: NOW + 1 });
    const secret = opened?.secret ?? "";
    expect(await authenticate(store, secret, NOW + HOUR_MS)).toMatchObject({
      accountId,
      scopes: ["deliveries:read"],
    });
    expect(await authenticate(store, secret, NOW + 1 + HOUR_MS)).toBeUndefined();
    // The code is not a token.
    expect(await authenticate(store, code, NOW)).toBeUndefined();
  });

  test("opens for only one of many concurrent callers, and never again", async () => {
    const { store } = bench();
    const codes = await Promise.all(Array.from({ length: 6 }, () => link()));
    const tries = await Promise.all(
      codes.flatMap((code) => [1, 2, 3, 4].map(() => openPortalLink(store, { code, now: NOW }))),
    );
    expect(tries.filter((one) => one !== undefined)).toHaveLength(codes.length);
    for (const code of codes) expect(await openPortalLink(store, { code, now: NOW })).toBeUndefined();
  });

  test("that has expired or does not exist opens nothing", async () => {
    const { store } = bench();
    expect(await openPortalLink(store, { code: await link(), now: NOW + 900_000 })).toBeUndefined();
    expect(await openPortalLink(store, { code: "phl_unknown", now: NOW })).toBeUndefined();
  });

  test("that does not exist, or has expired, costs a look-up and no transaction", async () => {
    const { store } = bench();
    const expired = await link();
    const db = store.db.withoutPlugins();
    db.transaction = () => {
      throw new Error("a transaction began");
    };
    for (const code of ["phl_unknown", expired]) {
      expect(await openPortalLink({ ...store, db }, { code, now: NOW + 900_000 })).toBeUndefined();
    }
  });

  test("deletes expired links and sessions when it is created, and nothing else", async () => {
    const { store, accountId } = bench();
    await link({ expiresAt: NOW + 1 });
    await openPortalLink(store, { code: await link(), now: NOW });
    await createToken(store, {
      accountId,
      name: "expired token",
      scopes: [],
      expiresAt: NOW + 1,
      now: NOW,
    });
    await link({ now: NOW + 26 * HOUR_MS, expiresAt: NOW + 27 * HOUR_MS });
    expect(await store.db.selectFrom("portal_links").select("id").execute()).toHaveLength(1);
    expect((await listTokens(store, { accountId, limit: 10 })).map(({ name }) => name)).toEqual([
      "expired token",
    ]);
  });
});
