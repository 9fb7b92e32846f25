import { DAY_MS } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { loadForAttempt, TEST_SECRET_KEYS } from "@posthaste/testkit";
import { expect, test } from "vitest";
import {
  closeStore,
  createAccount,
  createSubscription,
  endSubscription,
  LIVE_SIGNING_KEYS_MAX,
  listAuditEntries,
  listPublicKeys,
  listSigningKeys,
  openMigratedStore,
  openStore,
  parseSealingKeys,
  resealSecrets,
  rotateSigningKey,
  type Store,
  updateSubscription,
} from "../src/index.ts";
import { deliveriesOf, NOW, onEachDatabase } from "./fixture.ts";

const OTHER_KEY = `other:${Buffer.alloc(32, 9).toString("base64")}`;

/** Returns all values of the tables with secrets as one text. */
async function storedText(store: Store): Promise<string> {
  const rows = [
    ...(await store.db.selectFrom("subscriptions").selectAll().execute()),
    ...(await store.db.selectFrom("signing_keys").selectAll().execute()),
  ];
  return rows.flatMap((row) => Object.values(row).map(textOf)).join("\n");
}
const textOf = (value: unknown) => (Buffer.isBuffer(value) ? value.toString("latin1") : String(value));

onEachDatabase("the signing keys of a subscription", (bench) => {
  test("start with one key, whose secret is not stored in the clear", async () => {
    const { store, accountId, subscribe } = bench();
    const { id, keySet, signingKey } = await subscribe();
    expect(signingKey.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(signingKey.publicKey).toMatch(/^whpk_[A-Za-z0-9+/]{43}=$/);
    expect(await listSigningKeys(store, { accountId, id, now: NOW })).toEqual([signingKey]);
    expect(await listPublicKeys(store, { keySet, now: NOW })).toEqual([
      { publicKey: signingKey.publicKey, createdAt: NOW, expiresAt: null },
    ]);
    expect(await storedText(store)).not.toContain(signingKey.secret.slice("whsec_".length));
  });

  test("are two after a rotation, until the overlap ends", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    const { id, keySet, signingKey: first } = await subscribe();
    const second = await rotateSigningKey(store, { accountId, id, overlapMs: DAY_MS, now: NOW + 1 });
    const { eventId } = await ingest();
    const [delivery] = await deliveriesOf(store, eventId);
    const signers = async (now: number) => {
      const context = await loadForAttempt(store, delivery?.id as never, now);
      return context?.subscription.signingKeys.filter((key) => key.startsWith("whsec_"));
    };
    expect(await signers(NOW + DAY_MS)).toEqual([second?.secret, first.secret]);
    expect(await signers(NOW + DAY_MS + 1)).toEqual([second?.secret]);
    expect(await listSigningKeys(store, { accountId, id, now: NOW + 2 })).toMatchObject([
      { secret: second?.secret, expiresAt: null },
      { secret: first.secret, expiresAt: NOW + 1 + DAY_MS },
    ]);
    expect(await listPublicKeys(store, { keySet, now: NOW + 2 })).toHaveLength(2);
    expect(await listPublicKeys(store, { keySet, now: NOW + 1 + DAY_MS })).toHaveLength(1);
  });

  test("are reduced to one at once by a rotation without overlap", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const rotate = (overlapMs: number, now: number) =>
      rotateSigningKey(store, { accountId, id, overlapMs, now });
    for (let n = 1; n < LIVE_SIGNING_KEYS_MAX; n++) await rotate(DAY_MS, NOW + n);
    await expect(rotate(DAY_MS, NOW + 10)).rejects.toMatchObject({ code: "wrong_state", field: "overlap" });
    const last = await rotate(0, NOW + 11);
    expect(await listSigningKeys(store, { accountId, id, now: NOW + 11 })).toEqual([last]);
    // Expired keys do not count.
    await rotate(1, NOW + 12);
    for (let n = 0; n < 5; n++) await rotate(1, NOW + 20 + n);
    expect(await listSigningKeys(store, { accountId, id, now: NOW + 30 })).toHaveLength(1);
  });

  test("stay within their limit under ten concurrent rotations, with one current key", async () => {
    const { store, accountId, subscribe } = bench();
    const { id } = await subscribe();
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () =>
        rotateSigningKey(store, { accountId, id, overlapMs: DAY_MS, now: NOW }),
      ),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(LIVE_SIGNING_KEYS_MAX - 1);
    const keys = await listSigningKeys(store, { accountId, id, now: NOW });
    expect(keys?.filter(({ expiresAt }) => expiresAt === null)).toHaveLength(1);
  });

  test("are erased when the subscription ends, as is its credential", async () => {
    const { store, accountId } = bench();
    const { id, keySet } = await createSubscription(store, {
      accountId,
      targetUrl: "https://receiver.example/hook",
      eventTypes: ["invoice_sent"],
      credential: "hush",
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now: NOW,
    });
    await endSubscription(store, { accountId, id, reason: "test", now: NOW });
    expect(await listSigningKeys(store, { accountId, id, now: NOW })).toEqual([]);
    expect(await listPublicKeys(store, { keySet, now: NOW })).toBeUndefined();
    expect(await store.db.selectFrom("subscriptions").select("credential").execute()).toEqual([
      { credential: null },
    ]);
    await expect(rotateSigningKey(store, { accountId, id, overlapMs: 0, now: NOW })).rejects.toMatchObject({
      code: "wrong_state",
    });
  });

  test("are present for every attempt while the subscription has not ended", async () => {
    const { store, accountId, subscribe, ingest } = bench();
    for (let n = 0; n < 20; n++) {
      const { id } = await subscribe();
      const { eventId } = await ingest();
      const [delivery] = await deliveriesOf(store, eventId);
      const load = () => loadForAttempt(store, delivery?.id as never, NOW);
      const [contexts] = await Promise.all([
        Promise.all(Array.from({ length: 8 }, load)),
        endSubscription(store, { accountId, id, reason: "test", now: NOW }),
      ]);
      for (const context of contexts) {
        const { state, signingKeys } = context?.subscription ?? {};
        expect(state === "ended" || signingKeys?.length === 2).toBe(true);
      }
    }
  });

  test("stop the attempts of a live subscription if they are missing: none is sent unsigned", async () => {
    const { store, subscribe, ingest } = bench();
    const { id } = await subscribe();
    const { eventId } = await ingest();
    const [delivery] = await deliveriesOf(store, eventId);
    await store.db.deleteFrom("signing_keys").execute();
    await expect(loadForAttempt(store, delivery?.id as never, NOW)).rejects.toThrow(
      `subscription ${id} has no signing key`,
    );
  });

  test("are not found from another account", async () => {
    const { store, subscribe } = bench();
    const { id, signingKey } = await subscribe();
    const { id: accountId } = await createAccount(store, { name: "other", now: NOW });
    expect(await listSigningKeys(store, { accountId, id, now: NOW })).toBeUndefined();
    expect(await rotateSigningKey(store, { accountId, id, overlapMs: 0, now: NOW })).toBeUndefined();
    expect(await listPublicKeys(store, { keySet: "x", now: NOW })).toBeUndefined();
    expect(signingKey.expiresAt).toBeNull();
  });
});

onEachDatabase("the sealing keys", (bench) => {
  test("can be replaced by resealing while services run", async () => {
    const { store, url, accountId, subscribe } = bench();
    const { id, signingKey } = await subscribe();
    const headers = { "x-api-key": "hush-hush" };
    await updateSubscription(store, { accountId, id, now: NOW, credential: "hush", headers });
    expect(await storedText(store)).not.toContain("hush");
    const both = await openStore({ url, secretKeys: parseSealingKeys(`${OTHER_KEY},${TEST_SECRET_KEYS}`) });
    const newOnly = await openStore({ url, secretKeys: parseSealingKeys(OTHER_KEY) });
    try {
      const listThrough = (through: Store) => listSigningKeys(through, { accountId, id, now: NOW });
      await expect(listThrough(newOnly)).rejects.toThrow("the key test, which POSTHASTE_SECRET_KEYS");
      expect(await resealSecrets(both, { now: NOW })).toBe(3);
      expect(await resealSecrets(both, { now: NOW })).toBe(0);
      const { rows } = await listAuditEntries(both, {
        subject: "installation",
        subjectId: "secrets",
        limit: 9,
      });
      expect(rows.map(({ afterJson }) => JSON.parse(afterJson)).reverse()).toEqual([
        { resealed: 1, of: "subscriptions.credential" },
        { resealed: 1, of: "subscriptions.headers" },
        { resealed: 1, of: "signing_keys" },
      ]);
      expect(await listThrough(newOnly)).toEqual([signingKey]);
      await expect(listThrough(store)).rejects.toThrow("the key other, which");
    } finally {
      await closeStore(both);
      await closeStore(newOnly);
    }
  });

  test("are checked when a service starts", async () => {
    const { url, subscribe } = bench();
    const secretKeys = parseSealingKeys(OTHER_KEY);
    await closeStore(await openMigratedStore({ url, secretKeys }, silentLog));
    await subscribe();
    await expect(openMigratedStore({ url, secretKeys }, silentLog)).rejects.toThrow(
      /the key test, which .* does not hold: set the keys that this database was used with/,
    );
  });
});
