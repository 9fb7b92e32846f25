import type { AccountId } from "@posthaste/domain";
import { DAY_MS } from "@posthaste/domain";
import { Complaint } from "@posthaste/runtime/terminal";
import {
  type Account,
  createAccount,
  createToken,
  getAccount,
  listAccounts,
  listTokens,
  revokeToken,
  type Store,
  type Token,
} from "@posthaste/store";
import { byCommand } from "../by-command.ts";
import type { TokenCommand } from "./options.ts";

const PAGE = 500;

/**
 * Runs a command.
 *
 * @param now epoch milliseconds
 * @returns the lines to print
 * @throws Complaint if the account or token is not found or ambiguous
 */
export async function runTokenCommand(
  store: Store,
  command: Exclude<TokenCommand, { kind: "help" }>,
  now: number,
): Promise<readonly string[]> {
  switch (command.kind) {
    case "create": {
      const account =
        (await findAccount(store, command.account)) ??
        (await createAccount(store, {
          name: command.account,
          now,
          by: byCommand("npm run token -- create"),
        }));
      const { token, secret } = await createToken(store, {
        accountId: account.id,
        name: command.name,
        scopes: command.scopes,
        expiresAt: command.expiresInDays === undefined ? null : now + command.expiresInDays * DAY_MS,
        now,
        by: byCommand("npm run token -- create"),
      });
      return [
        `token ${token.id} of account ${account.id} (${account.name}); its secret is shown only now:`,
        secret,
      ];
    }
    case "list": {
      const account = await findAccount(store, command.account);
      if (account === undefined) throw new Complaint(`there is no account "${command.account}"`);
      const tokens = await allTokens(store, account.id);
      return tokens.length === 0
        ? [`account ${account.id} has no tokens`]
        : tokens.map((token) => describe(token, now));
    }
    case "revoke": {
      const token = await revokeToken(store, {
        id: command.id,
        now,
        by: byCommand("npm run token -- revoke"),
      });
      if (token === undefined) throw new Complaint(`there is no token ${command.id}`);
      return [describe(token, now)];
    }
  }
}

/**
 * Finds an account: by number if the text is one, else by name.
 *
 * @returns the account; undefined if no account has this name
 * @throws Complaint if no account has this number, or several accounts have this name
 */
async function findAccount(store: Store, account: string): Promise<Account | undefined> {
  if (/^\d{1,15}$/.test(account)) {
    const found = await getAccount(store, Number(account) as AccountId);
    if (found === undefined) throw new Complaint(`there is no account ${account}`);
    return found;
  }
  const found: Account[] = [];
  for (let after: AccountId | undefined; ; ) {
    const page = await listAccounts(store, { limit: PAGE, ...(after === undefined ? {} : { after }) });
    found.push(...page.filter((candidate) => candidate.name === account));
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(", ");
    throw new Complaint(`several accounts are named "${account}" (${ids}): give the number instead`);
  }
  return found[0];
}

async function allTokens(store: Store, accountId: AccountId): Promise<Token[]> {
  const tokens: Token[] = [];
  for (;;) {
    const after = tokens.at(-1)?.id;
    const page = await listTokens(store, {
      accountId,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    tokens.push(...page);
    if (page.length < PAGE) return tokens;
  }
}

function describe(token: Token, now: number): string {
  return [token.id, `${token.hint}…`, token.name, token.scopes.join(","), standing(token, now)].join("  ");
}

function standing({ revokedAt, expiresAt }: Token, now: number): string {
  if (revokedAt !== null) return `revoked ${new Date(revokedAt).toISOString()}`;
  if (expiresAt === null) return "never expires";
  return `${expiresAt <= now ? "expired" : "expires"} ${new Date(expiresAt).toISOString()}`;
}
