import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SCOPES } from "@posthaste/domain";
import { authenticate, listAccounts, revokeToken } from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { adminToken, requirePresetToken } from "./admin-token.ts";

let dataDir: string;
let database: TestStore;
const now = 1_700_000_000_000;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "posthaste-token-"));
  database = await createTestStore("sqlite");
});
afterEach(async () => {
  await database.dispose();
  await rm(dataDir, { recursive: true, force: true });
});

const get = (preset?: string) => adminToken(database.store, { dataDir, preset, now });

test("the admin token is created once, has every scope, and is kept in a file that only its owner can read", async () => {
  const token = await get();
  expect(await get()).toBe(token);
  expect((await authenticate(database.store, token, now))?.scopes).toEqual([...SCOPES]);
  const path = join(dataDir, "admin-token");
  expect(await readFile(path, "utf8")).toBe(`${token}\n`);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await listAccounts(database.store, { limit: 10 })).toHaveLength(1);
});

test("a preset token is used unchanged and not kept", async () => {
  const preset = "a-preset-token-of-enough-length";
  expect(await get(preset)).toBe(preset);
  expect(await get(preset)).toBe(preset);
  expect(await authenticate(database.store, preset, now)).toBeDefined();
  await expect(readFile(join(dataDir, "admin-token"))).rejects.toThrow(/ENOENT/);
});

test("a preset token that is too short is refused", async () => {
  await expect(get("short")).rejects.toThrow(/the admin token cannot be used: .*20 to 255/);
});

test("a preset token of a wrong form is refused by the name of its variable, before anything is started", () => {
  const problem = "POSTHASTE_ADMIN_TOKEN: a preset token must have 20 to 255 printable ASCII characters";
  expect(() => requirePresetToken("secret")).toThrow(problem);
  expect(() => requirePresetToken("a preset token with spaces")).toThrow(problem);
  for (const fine of [undefined, "", "a-preset-token-of-enough-length"]) requirePresetToken(fine);
});

test("a revoked token is replaced if it was kept, and refused if it was preset", async () => {
  const first = await get();
  const principal = await authenticate(database.store, first, now);
  if (principal === undefined) throw new Error("the token is not valid");
  await revokeToken(database.store, { id: principal.tokenId, now });
  const second = await get();
  expect(second).not.toBe(first);
  expect(await get()).toBe(second);
  await expect(get(first)).rejects.toThrow(/POSTHASTE_ADMIN_TOKEN was revoked/);
});
