import { SCOPES, type Scope, type TokenId } from "@posthaste/domain";
import { Complaint, parseCommandLine, wholeNumber } from "@posthaste/runtime/terminal";

/** A parsed command. An account is given by its name or its number. */
export type TokenCommand =
  | {
      readonly kind: "create";
      readonly account: string;
      readonly name: string;
      readonly scopes: readonly Scope[];
      /** Undefined = the token never expires. */
      readonly expiresInDays: number | undefined;
    }
  | { readonly kind: "list"; readonly account: string }
  | { readonly kind: "revoke"; readonly id: TokenId }
  | { readonly kind: "help" };

export const TOKEN_USAGE = `npm run token -- COMMAND

  create --account NAME|ID --name NAME --scope SCOPE [--scope SCOPE …] [--expires DAYS]
      creates a token, and its account if the name is new; prints the secret, which is never shown again
  list --account NAME|ID
      lists the account's tokens, without their secrets
  revoke ID
      revokes a token immediately

Scopes: ${SCOPES.join(", ")}.
Uses the database that DATABASE_URL names.`;

const DAYS_MAX = 3_650;

/**
 * Parses the command line.
 *
 * @throws Complaint if it is not one of the commands above
 */
export function parseTokenCommand(args: readonly string[]): TokenCommand {
  const { values, positionals } = parseCommandLine("token", {
    args: [...args],
    allowPositionals: true,
    options: {
      account: { type: "string" },
      name: { type: "string" },
      scope: { type: "string", multiple: true },
      expires: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  const [kind, ...others] = positionals;
  if (values.help === true || kind === "help") return { kind: "help" };
  const onlyFor = (flags: readonly (keyof typeof values)[]) => {
    const stray = (Object.keys(values) as (keyof typeof values)[]).find((flag) => !flags.includes(flag));
    if (stray !== undefined) throw wrong(`"${kind}" does not take --${stray}`);
    const extra = kind === "revoke" ? others[1] : others[0];
    if (extra !== undefined) throw wrong(`unexpected argument "${extra}"`);
  };
  switch (kind) {
    case "create":
      onlyFor(["account", "name", "scope", "expires"]);
      return {
        kind,
        account: required("--account", values.account),
        name: required("--name", values.name),
        scopes: scopesOf(values.scope ?? []),
        expiresInDays: wholeNumber("--expires", values.expires, { min: 1, max: DAYS_MAX }),
      };
    case "list":
      onlyFor(["account"]);
      return { kind, account: required("--account", values.account) };
    case "revoke":
      onlyFor([]);
      return { kind, id: tokenIdOf(others[0]) };
    default:
      throw wrong(kind === undefined ? "no command given" : `there is no command "${kind}"`);
  }
}

function required(flag: string, value: string | undefined): string {
  if (value === undefined || value.trim() === "") throw wrong(`${flag} is missing`);
  return value;
}

function scopesOf(texts: readonly string[]): readonly Scope[] {
  const scopes = texts.flatMap((text) => text.split(",")).map((text) => text.trim());
  if (scopes.length === 0) throw wrong("--scope is missing");
  return scopes.map((text) => {
    const scope = SCOPES.find((candidate) => candidate === text);
    if (scope === undefined) throw wrong(`there is no scope "${text}": choose from ${SCOPES.join(", ")}`);
    return scope;
  });
}

function tokenIdOf(text: string | undefined): TokenId {
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw wrong("revoke needs a token's number, as list shows it");
  return Number(text) as TokenId;
}

function wrong(reason: string): Complaint {
  return new Complaint(`${reason}: see npm run token -- --help`);
}
