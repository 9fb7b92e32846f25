import { DAY_MS } from "@posthaste/domain";
import { authenticate, listAuditEntries } from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseTokenCommand } from "./options.ts";
import { runTokenCommand } from "./run-token-command.ts";

const now = 1_700_000_000_000;
let database: TestStore;
beforeEach(async () => {
  database = await createTestStore("sqlite");
});
afterEach(() => database.dispose());

async function token(...args: string[]): Promise<readonly string[]> {
  const command = parseTokenCommand(args);
  if (command.kind === "help") throw new Error("help runs nothing");
  return await runTokenCommand(database.store, command, now);
}

test("a token is created with its account, works until it expires, is listed without its secret, and can be revoked", async () => {
  const scopes = ["--scope", "events:write", "--scope", "deliveries:read"];
  const [line, secret = ""] = await token(
    "create",
    "--account",
    "acme",
    "--name",
    "ci",
    "--expires",
    "2",
    ...scopes,
  );
  expect(line).toMatch(/^token (\d+) of account \d+ \(acme\)/);
  const principal = await authenticate(database.store, secret, now + 2 * DAY_MS - 1);
  expect(principal?.scopes).toEqual(["events:write", "deliveries:read"]);
  expect(await authenticate(database.store, secret, now + 2 * DAY_MS)).toBeUndefined();

  const [listed = ""] = await token("list", "--account", "acme");
  expect(listed).toContain("ci  events:write,deliveries:read  expires 2023-11-16");
  expect(listed).not.toContain(secret);

  const [revoked = ""] = await token("revoke", String(principal?.tokenId));
  expect(revoked).toContain("revoked 2023-11-14");
  expect(await authenticate(database.store, secret, now)).toBeUndefined();
});

test("what a command changes is in the audit log, as the operator's", async () => {
  await token("create", "--account", "acme", "--name", "ci", "--scope", "events:write");
  const [listed = ""] = await token("list", "--account", "acme");
  await token("revoke", listed.split(" ")[0] ?? "");
  const { rows } = await listAuditEntries(database.store, { from: now, until: now + 1, limit: 10 });
  expect(rows.map(({ actor, action, subject }) => [actor, action, subject])).toEqual([
    ["operator", "npm run token -- revoke", "token"],
    ["operator", "npm run token -- create", "token"],
    ["operator", "npm run token -- create", "account"],
  ]);
});

test("an account is found by its name and by its number", async () => {
  await token("create", "--account", "acme", "--name", "one", "--scope", "admin");
  const [line = ""] = await token("create", "--account", "acme", "--name", "two", "--scope", "admin");
  const id = /account (\d+)/.exec(line)?.[1] ?? "";
  expect(await token("list", "--account", id)).toHaveLength(2);
});

test.each([
  [[], /no command given: see npm run token/],
  [["destroy"], /there is no command "destroy"/],
  [["create", "--name", "x", "--scope", "admin"], /--account is missing/],
  [["create", "--account", "a", "--scope", "admin"], /--name is missing/],
  [["create", "--account", "a", "--name", "x"], /--scope is missing/],
  [
    ["create", "--account", "a", "--name", "x", "--scope", "all"],
    /no scope "all": choose from subscriptions:read/,
  ],
  [
    ["create", "--account", "a", "--name", "x", "--scope", "admin", "--expires", "soon"],
    /--expires is "soon"/,
  ],
  [["create", "--colour"], /Unknown option '--colour'/],
  [["list", "--account", "a", "--name", "x"], /"list" does not take --name/],
  [["list", "acme"], /unexpected argument "acme"/],
  [["revoke"], /revoke needs a token's number/],
  [["revoke", "ci"], /revoke needs a token's number/],
] as const)("%j is refused, and the error says what to do", (args, message) => {
  expect(() => parseTokenCommand(args)).toThrow(message);
});

test("an unknown account or token is an error", async () => {
  await expect(token("list", "--account", "nobody")).rejects.toThrow('there is no account "nobody"');
  await expect(token("list", "--account", "77")).rejects.toThrow("there is no account 77");
  await expect(token("revoke", "77")).rejects.toThrow("there is no token 77");
});
