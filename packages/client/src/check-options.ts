/** A caller in JavaScript may pass anything, such as an unset variable of the environment. */
export type UncheckedOptions = Readonly<Partial<Record<(typeof OPTIONS)[number], unknown>>>;

const OPTIONS = ["baseUrl", "token", "protocol", "deadlineMs", "attemptsMax", "account"] as const;

/** The longest that a timer of Node's waits. */
const DEADLINE_MAX_MS = 2 ** 31 - 1;
/** The contracts give accounts 32-bit numbers. */
const ACCOUNT_MAX = 2 ** 31 - 1;
const VISIBLE_ASCII = /^[!-~]+$/;
const PASS_TOKEN = "pass a token of Posthaste's, such as pht_…";

/**
 * Refuses options with which no call can succeed, or that would be ignored.
 *
 * @throws TypeError with a sentence that names the option
 */
export function checkOptions(options: UncheckedOptions | null | undefined): void {
  if (typeof options !== "object" || options === null) {
    refuse("there are no options: pass at least { baseUrl, token }");
  }
  const unknown = Object.keys(options).filter((name) => !OPTIONS.some((option) => option === name));
  if (unknown.length > 0) {
    refuse(`no option is called ${unknown.join(" or ")}: the options are ${OPTIONS.join(", ")}`);
  }
  const { baseUrl, token, protocol, deadlineMs, attemptsMax, account } = options;
  // The value is not repeated: it may hold a password.
  const url = typeof baseUrl === "string" ? URL.parse(baseUrl) : null;
  if (url === null || !isBaseUrl(url)) {
    refuse("baseUrl is not an http or https URL without a query, such as https://posthaste.internal");
  }
  // No call would send them: the token takes their place.
  if (url.username !== "" || url.password !== "") {
    refuse("baseUrl has a user or a password, which no call sends: leave them out, and pass a token");
  }
  if (token === undefined) refuse(`token is missing: ${PASS_TOKEN}`);
  if (typeof token !== "string") refuse(`token is not a text: ${PASS_TOKEN}`);
  if (token.trim() === "") refuse(`token is empty: ${PASS_TOKEN}`);
  // The value is not repeated either.
  if (/^bearer\s/i.test(token.trim()))
    refuse(`token begins with Bearer, which each call adds: ${PASS_TOKEN}`);
  if (!VISIBLE_ASCII.test(token)) {
    refuse(`token has white space or other characters that no token has: ${PASS_TOKEN}`);
  }
  if (protocol !== undefined && protocol !== "connect" && protocol !== "grpc") {
    refuse('protocol is neither "connect" nor "grpc"');
  }
  if (deadlineMs !== undefined && !isWhole(deadlineMs, DEADLINE_MAX_MS)) {
    refuse(`deadlineMs is not a whole number of milliseconds from 1 to ${DEADLINE_MAX_MS}`);
  }
  if (attemptsMax !== undefined && !isWhole(attemptsMax, Number.MAX_SAFE_INTEGER)) {
    refuse("attemptsMax is not a whole number from 1 on; 1 turns retries off");
  }
  if (account !== undefined && !isWhole(account, ACCOUNT_MAX)) {
    refuse("account is not an account's number, such as 12; leave it out to act in the token's own");
  }
}

function refuse(sentence: string): never {
  throw new TypeError(sentence);
}

function isBaseUrl(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
}

function isWhole(value: unknown, max: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max;
}
