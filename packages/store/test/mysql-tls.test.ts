import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, silentLog } from "@posthaste/runtime";
import {
  certificateFor,
  certificateForClients,
  createTestStore,
  type OwnMysqlServer,
  runStatement,
  startOwnMysql,
  startTcpProxy,
  TEST_SECRET_KEYS,
  type TestStore,
} from "@posthaste/testkit";
import { Kysely, sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  closeStore,
  isStoreAway,
  openMigratedStore,
  openStore,
  parseSealingKeys,
  pingStore,
  type Store,
} from "../src/index.ts";

/*
 * A server that takes nobody in clear text. Its certificate is for 127.0.0.1, and neither for "localhost" nor
 * by an authority that Node knows.
 */

const POOL_SIZE = 3;
const DEADLINES = { connectMs: 1_500, acquireMs: 3_000 };

let dir: string;
let server: OwnMysqlServer;
let admin: TestStore;
let stores: Store[] = [];
const pem = (name: string) => join(dir, `${name}.pem`);
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "posthaste-tls-"));
  const [own, other, client] = await Promise.all([
    certificateFor("127.0.0.1"),
    certificateFor("127.0.0.1"),
    certificateForClients("posthaste"),
  ]);
  for (const [name, text] of Object.entries({
    ...{ "server-key": own.key, "server-cert": own.cert, "other-ca": other.cert },
    ...{ "client-key": client.key, "client-cert": client.cert },
  })) {
    writeFileSync(pem(name), text);
  }
  writeFileSync(pem("none"), "no certificate");
  server = await startOwnMysql({
    args: [
      ...["--require-secure-transport=ON", `--ssl-ca=${pem("client-cert")}`],
      ...[`--ssl-cert=${pem("server-cert")}`, `--ssl-key=${pem("server-key")}`],
    ],
  });
});
afterAll(async () => {
  await server.release();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  admin = await createTestStore("mysql", `${server.url}?ssl-mode=REQUIRED`);
});
afterEach(async () => {
  await Promise.all(stores.map(closeStore));
  stores = [];
  await admin.dispose();
});

type Change = { readonly host?: string; readonly port?: number; readonly user?: string };

/** Returns the database's URL with other parameters, and a part of it changed. */
function urlWith(query: string, { host, port, user }: Change = {}): string {
  const url = new URL(admin.url);
  url.search = query;
  if (host !== undefined) url.hostname = host;
  if (port !== undefined) url.port = String(port);
  if (user !== undefined) url.username = user;
  return url.href;
}

async function open(url: string): Promise<Store> {
  const store = await openStore({ url, poolSize: POOL_SIZE, deadlines: DEADLINES });
  stores.push(store);
  return store;
}

/** Returns the sentence with which a service refuses to start, and the lines that it warns with. */
async function startOn(url: string): Promise<{ refusal: string | undefined; warnings: string[] }> {
  const warnings: string[] = [];
  const secretKeys = parseSealingKeys(TEST_SECRET_KEYS);
  const log: Log = { ...silentLog, warn: (event) => void warnings.push(event) };
  try {
    stores.push(await openMigratedStore({ url, secretKeys, deadlines: DEADLINES }, log));
    return { refusal: undefined, warnings };
  } catch (error) {
    expect(error).toMatchObject({ name: "StartError" });
    return { refusal: (error as Error).message, warnings };
  }
}

const cipherOf = async <T>(db: Kysely<T>) => {
  const { rows } = await sql<{ Value: string }>`show session status like 'Ssl_cipher'`.execute(db);
  return rows[0]?.Value;
};

const verifying = () => `ssl-mode=VERIFY_IDENTITY&ssl-ca=${pem("server-cert")}`;

test.each([
  ["REQUIRED", () => "ssl-mode=REQUIRED"],
  ["VERIFY_CA", () => `ssl-mode=VERIFY_CA&ssl-ca=${pem("server-cert")}`],
  ["VERIFY_IDENTITY", verifying],
])("with ssl-mode=%s, every connection is encrypted", async (_mode, query) => {
  const store = await open(urlWith(query()));
  expect(await Promise.all([0, 1, 2].map(() => cipherOf(store.db)))).not.toContain("");
  await pingStore(store);
  await store.seam.readClock?.();
  const { seam } = store;
  const forMigrations = new Kysely({ dialect: seam.migrationDialect?.() ?? seam.dialect });
  expect(await cipherOf(forMigrations)).not.toBe("");
  await forMigrations.destroy();
  expect(await startOn(urlWith(query()))).toMatchObject({ refusal: undefined });
});

describe("a service does not start", () => {
  const REFUSED: readonly [what: string, query: () => string, change: Change, why: RegExp][] = [
    ["in clear text", () => "", {}, /reached: the server (turned the user away .* ssl-mode if|demands TLS)/],
    [
      "if the certificate is not signed by the authority",
      () => `ssl-mode=VERIFY_CA&ssl-ca=${pem("other-ca")}`,
      {},
      /^the database cannot be reached: TLS failed \(self-signed certificate\): check ssl-mode and /,
    ],
    [
      "if no public authority signed the certificate",
      () => "ssl-mode=VERIFY_IDENTITY",
      {},
      /TLS failed \(self-signed certificate\)/,
    ],
    [
      "if the certificate is for another host",
      verifying,
      { host: "localhost" },
      /TLS failed \(Host: localhost\. is not cert's CN: 127\.0\.0\.1\)/,
    ],
    [
      "if the certificate is for another address",
      verifying,
      { host: "0.0.0.0" },
      /TLS failed \(IP: 0\.0\.0\.0 is not in the cert's list: 127\.0\.0\.1\)/,
    ],
    [
      "if a file is missing",
      () => `ssl-mode=VERIFY_CA&ssl-ca=${pem("hush")}`,
      {},
      /^DATABASE_URL: the file of ssl-ca cannot be read \(ENOENT\)$/,
    ],
    [
      "if the authority's file holds no certificate",
      () => `ssl-mode=VERIFY_CA&ssl-ca=${pem("none")}`,
      {},
      /^DATABASE_URL: the file of ssl-ca holds no certificate in PEM, or a damaged one$/,
    ],
    [
      "if the client's key is another one's",
      () => `ssl-mode=REQUIRED&ssl-cert=${pem("client-cert")}&ssl-key=${pem("server-key")}`,
      {},
      /^DATABASE_URL: ssl-cert and ssl-key are no certificate with its key in PEM$/,
    ],
  ];
  test.each(REFUSED)("%s", async (_what, query, change, why) => {
    const { refusal } = await startOn(urlWith(query(), change));
    expect(refusal).toMatch(why);
    expect(refusal).not.toContain("hush");
    expect(refusal).not.toContain("\n");
  });
});

test("a user that must show a certificate is let in with it, and not without", async () => {
  const user = "certified";
  await runStatement(admin.store, `create or replace user ${user}@'%' require x509`);
  await runStatement(admin.store, `grant all on *.* to ${user}@'%'`);
  const certificate = `ssl-cert=${pem("client-cert")}&ssl-key=${pem("client-key")}`;
  expect(await startOn(urlWith(`${verifying()}&${certificate}`, { user }))).toMatchObject({
    refusal: undefined,
  });
  expect((await startOn(urlWith(verifying(), { user }))).refusal).toContain("(ER_ACCESS_DENIED_ERROR)");
});

test("clear text over a network is a line of the log at start, unless the URL says that it is meant", async () => {
  await runStatement(admin.store, "set global require_secure_transport = off");
  try {
    // Leads to the loopback address, but nobody may rely on that.
    const host = "0.0.0.0";
    expect((await startOn(urlWith("", { host }))).warnings).toContain("database.clear_text");
    for (const [query, change] of [
      ["ssl-mode=DISABLED", { host }],
      ["ssl-mode=REQUIRED", { host }],
      [""],
    ] as const) {
      expect((await startOn(urlWith(query, change))).warnings).not.toContain("database.clear_text");
    }
  } finally {
    await runStatement(admin.store, "set global require_secure_transport = on");
  }
});

test("connections that fail in the handshake give back their places", async () => {
  const store = await open(urlWith("ssl-mode=VERIFY_IDENTITY"));
  for (let i = 0; i < 3 * POOL_SIZE; i++) {
    const error = await cipherOf(store.db).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "HANDSHAKE_SSL_ERROR" });
    expect(isStoreAway(store, error)).toBe(true);
  }
});

test("a connection that falls silent in the handshake is given up, and the next one works", async () => {
  const { hostname, port } = new URL(admin.url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  try {
    const store = await open(urlWith(verifying(), { port: proxy.port }));
    // The greeting gets through, and the server's part of the handshake does not.
    proxy.silenceAfter(1);
    const error = await cipherOf(store.db).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ETIMEDOUT" });
    proxy.mend();
    expect(await cipherOf(store.db)).not.toBe("");
    // An encrypted connection that falls silent is closed as any other.
    proxy.silence();
    expect(isStoreAway(store, await pingStore(store).catch((reason: unknown) => reason))).toBe(true);
    proxy.mend();
    expect(await cipherOf(store.db)).not.toBe("");
  } finally {
    await proxy.stop();
  }
});

test("a server that offers no TLS, or whose offer somebody on the path removes, gets no password", async () => {
  const { hostname, port } = new URL(admin.url);
  const fromClients: Buffer[] = [];
  const path = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.once("close", () => upstream.destroy());
    client.on("data", (bytes) => void fromClients.push(bytes));
    upstream.once("data", (greeting) => client.write(withoutTls(greeting)));
  });
  await new Promise<void>((resolve) => path.listen(0, "127.0.0.1", resolve));
  try {
    const { refusal } = await startOn(
      urlWith("ssl-mode=REQUIRED", { port: (path.address() as AddressInfo).port }),
    );
    expect(refusal).toBe(
      "the database cannot be reached: the server offers no TLS, which ssl-mode in DATABASE_URL demands",
    );
    expect(fromClients).toEqual([]);
  } finally {
    await new Promise((resolve) => path.close(resolve));
  }
});

/** Clears the bit of a server's greeting that offers TLS. */
function withoutTls(greeting: Buffer): Buffer {
  const copy = Buffer.from(greeting);
  // Header and protocol version; the server's version, which ends in a zero; connection, salt, a zero, flags.
  const flags = copy.indexOf(0, 5) + 1 + 4 + 8 + 1;
  copy.writeUInt16LE(copy.readUInt16LE(flags) & ~0x800, flags);
  return copy;
}
