import { type AccountId, Refusal, SCOPES, type Scope } from "@posthaste/domain";
import { getAccount, type Principal, type Store } from "@posthaste/store";

/** The header of an RPC that names the account in which an operator acts. */
export const ACCOUNT_HEADER = "posthaste-account";

/** What a token may do in an account other than its own: everything that the account's own may. */
const ACTING_SCOPES: readonly Scope[] = SCOPES.filter((scope) => scope !== "admin");

/** The caller of a call. */
export type Caller = {
  /**
   * The caller's token. Its own account is charged for what the call costs and waits in its own turns,
   * whichever account the call acts in: else an operator who acts for a tenant would keep the tenant's own
   * calls waiting.
   */
  readonly token: Principal;
  /** The account whose things the call sees and changes. */
  readonly accountId: AccountId;
  /** What the call may do there. */
  readonly scopes: readonly Scope[];
  /** The header was sent. */
  readonly isActing: boolean;
};

/**
 * Returns the caller of an RPC: the token in its own account or, with the header, in the one that it names.
 *
 * @throws Refusal `invalid`, `forbidden` or `not_found`, naming the header
 */
export async function callerFor(
  store: Store,
  token: Principal,
  header: string | null | undefined,
): Promise<Caller> {
  if (header === null || header === undefined) {
    return { token, accountId: token.accountId, scopes: token.scopes, isActing: false };
  }
  if (!/^[1-9]\d{0,9}$/.test(header)) {
    throw new Refusal("invalid", `the header ${ACCOUNT_HEADER} must be an account's number, such as 12`);
  }
  if (!token.scopes.includes("admin")) {
    throw new Refusal(
      "forbidden",
      `the header ${ACCOUNT_HEADER} needs a token with the scope admin; leave it out to act in the token's own account`,
      { metadata: { scope: "admin" } },
    );
  }
  const accountId = Number(header) as AccountId;
  const account = await getAccount(store, accountId);
  if (account === undefined || account.erasedAt !== null) {
    throw new Refusal("not_found", `there is no account ${header}, which the header ${ACCOUNT_HEADER} names`);
  }
  return { token, accountId, scopes: ACTING_SCOPES, isActing: true };
}

/**
 * Refuses the header where it has no meaning.
 *
 * @throws Refusal `invalid`
 */
export function refuseAccountHeader(header: string | readonly string[] | undefined): void {
  if (header === undefined) return;
  throw new Refusal(
    "invalid",
    `the REST gateway acts in the token's own account: leave out the header ${ACCOUNT_HEADER}, or call an RPC`,
  );
}
