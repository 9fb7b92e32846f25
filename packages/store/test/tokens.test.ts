import { readdirSync } from "node:fs";
import { crc32 } from "node:zlib";
import { SCOPES, type TokenId } from "@posthaste/domain";
import { createEmptyStore, createTestStore, markLater } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import {
  authenticate,
  closeStore,
  createAccount,
  createToken,
  listAccounts,
  listTokens,
  migrate,
  openStore,
  pendingMigrations,
  revokeToken,
} from "../src/index.ts";
import { NOW, onEachDatabase } from "./fixture.ts";
import { holdAfter } from "./held-store.ts";

/** All migrations: a numbered file that `migrate.ts` does not list would never run. */
const ALL = readdirSync(new URL("../src/database/migrations/", import.meta.url))
  .filter((name) => /^\d{4}-/.test(name))
  .map((name) => name.replace(".ts", ""))
  .sort();

onEachDatabase("a token", (bench) => {
  const create = (over: { expiresAt?: number; secret?: string } = {}) =>
    createToken(bench().store, {
      accountId: bench().accountId,
      name: "test",
      scopes: ["events:write"],
      expiresAt: over.expiresAt ?? null,
      now: NOW,
      ...(over.secret === undefined ? {} : { secret: over.secret }),
    });

  test("ends with the CRC-32 of its random part, so that secret scanners recognize it", async () => {
    const { secret } = await create();
    expect(secret).toMatch(/^pht_[0-9A-Za-z]{46}$/);
    const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const checksum = [...secret.slice(-6)].reduce((value, digit) => value * 62 + digits.indexOf(digit), 0);
    expect(checksum).toBe(crc32(secret.slice(4, -6)));
  });

  test("authenticates by its secret, which is not stored", async () => {
    const { store, accountId } = bench();
    const { token, secret } = await create();
    expect(await authenticate(store, secret, NOW)).toEqual({
      tokenId: token.id,
      name: "test",
      hint: token.hint,
      accountId,
      scopes: ["events:write"],
    });
    const rows = await store.db.selectFrom("tokens").selectAll().execute();
    expect(
      rows
        .flatMap((row) => Object.values(row))
        .map(String)
        .join(" "),
    ).not.toContain(secret);
    expect(token.hint).toBe(secret.slice(0, 8));
  });

  test("does not authenticate if it is revoked, expired or unknown", async () => {
    const { store } = bench();
    const revoked = await create();
    const first = await revokeToken(store, { id: revoked.token.id, now: NOW + 1 });
    expect(await revokeToken(store, { id: revoked.token.id, now: NOW + 2 })).toEqual(first);
    expect(await authenticate(store, revoked.secret, NOW + 3)).toBeUndefined();
    const expiring = await create({ expiresAt: NOW + 10 });
    expect(await authenticate(store, expiring.secret, NOW + 9)).toBeDefined();
    expect(await authenticate(store, expiring.secret, NOW + 10)).toBeUndefined();
    expect(await authenticate(store, "pht_unknown", NOW)).toBeUndefined();
    expect(await revokeToken(store, { id: 999 as TokenId, now: NOW })).toBeUndefined();
  });

  test("with a preset secret is created once, even after a revocation; a short one is refused", async () => {
    const secret = "preset-secret-of-enough-length";
    const first = await create({ secret });
    expect((await create({ secret })).token).toEqual(first.token);
    await revokeToken(bench().store, { id: first.token.id, now: NOW });
    expect((await create({ secret })).token).toMatchObject({ id: first.token.id, revokedAt: NOW });
    expect(await authenticate(bench().store, secret, NOW)).toBeUndefined();
    await expect(create({ secret: "short" })).rejects.toMatchObject({ code: "invalid" });
  });

  test("with a secret that two callers preset at once is created once, and both get it", async () => {
    const { store, url, accountId } = bench();
    const secret = "preset-secret-of-enough-length";
    const preset = { accountId, name: "late", scopes: [], expiresAt: null, secret, now: NOW };
    const held = await holdAfter(url, /from tokens/);
    try {
      const late = createToken(held.store, preset);
      await held.stopped;
      const { token } = await create({ secret });
      held.goOn();
      expect((await late).token).toEqual(token);
      expect(await listTokens(store, { accountId, limit: 10 })).toEqual([token]);
    } finally {
      await held.close();
    }
  });

  test("is listed with the others of its account, by page", async () => {
    const { store, accountId } = bench();
    for (let i = 0; i < 3; i++) await create();
    const [first, ...rest] = await listTokens(store, { accountId, limit: 10 });
    expect(rest).toHaveLength(2);
    expect(await listTokens(store, { accountId, after: first?.id ?? (0 as TokenId), limit: 10 })).toEqual(
      rest,
    );
    await createAccount(store, { name: "other", now: NOW });
    expect((await listAccounts(store, { limit: 10 })).map((account) => account.name)).toEqual([
      "first",
      "other",
    ]);
    expect(SCOPES).toContain(first?.scopes[0]);
  });
});

describe.each(["sqlite", "mysql"] as const)("migrating on %s", (backend) => {
  test("an empty database through two stores at once applies each migration once", async () => {
    const empty = await createEmptyStore(backend);
    const second = await openStore({ url: empty.url });
    try {
      expect(await pendingMigrations(empty.store)).toEqual(ALL);
      const applied = await Promise.all([migrate(empty.store), migrate(second)]);
      expect(applied.flat()).toEqual(ALL);
      expect(await pendingMigrations(second)).toEqual([]);
      expect(await migrate(second)).toEqual([]);
    } finally {
      await closeStore(second);
      await empty.dispose();
    }
  });
});

test.each(["sqlite", "mysql"] as const)(
  "a database of another release is refused, on %s",
  async (backend) => {
    const { store, dispose } = await createTestStore(backend);
    try {
      await markLater(store);
      const refused = "the database has migrations of another release (9999-later): use that release";
      await expect(pendingMigrations(store)).rejects.toThrow(refused);
      await expect(migrate(store)).rejects.toThrow(refused);
    } finally {
      await dispose();
    }
  },
);

test.each(["sqlite", "mysql"] as const)(
  "a database with another program's tables is refused, and left as it is, on %s",
  async (backend) => {
    const { store, dispose } = await createEmptyStore(backend);
    try {
      await store.db.schema.createTable("customers").addColumn("id", "integer").execute();
      const refused = "the database holds tables of another program, such as customers: check DATABASE_URL";
      await expect(pendingMigrations(store)).rejects.toThrow(refused);
      await expect(migrate(store)).rejects.toThrow(refused);
      const tables = await store.db.introspection.getTables({ withInternalKyselyTables: true });
      expect(tables.map(({ name }) => name)).toEqual(["customers"]);
    } finally {
      await dispose();
    }
  },
);

test("a database URL with another scheme is refused without revealing its password", async () => {
  await expect(openStore({ url: "postgres://me:hush@db/x" })).rejects.toThrow(/mysql:\/\/.*sqlite:/);
  await expect(openStore({ url: "postgres://me:hush@db/x" })).rejects.not.toThrow(/hush/);
});
