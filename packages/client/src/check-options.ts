/** A caller in JavaScript may pass anything, such as an unset variable of the environment. */
export type UncheckedOptions = {
  readonly baseUrl: unknown;
  readonly token: unknown;
  readonly protocol?: unknown;
  readonly deadlineMs?: unknown;
  readonly attemptsMax?: unknown;
};

/** The longest that a timer of Node's waits. */
const DEADLINE_MAX_MS = 2 ** 31 - 1;
const PASS_TOKEN = "pass a token of Posthaste's, such as pht_…";

/**
 * Refuses options with which no call can succeed, or that would be ignored.
 *
 * @throws TypeError with a sentence that names the option
 */
export function checkOptions(options: UncheckedOptions): void {
  const { baseUrl, token, protocol, deadlineMs, attemptsMax } = options;
  // The value is not repeated: it may hold a password.
  if (!isBaseUrl(baseUrl)) {
    refuse("baseUrl is not an http or https URL without a query, such as https://posthaste.internal");
  }
  if (token === undefined) refuse(`token is missing: ${PASS_TOKEN}`);
  if (typeof token !== "string") refuse(`token is not a text: ${PASS_TOKEN}`);
  if (token.trim() === "") refuse(`token is empty: ${PASS_TOKEN}`);
  if (protocol !== undefined && protocol !== "connect" && protocol !== "grpc") {
    refuse('protocol is neither "connect" nor "grpc"');
  }
  if (deadlineMs !== undefined && !isWhole(deadlineMs, DEADLINE_MAX_MS)) {
    refuse(`deadlineMs is not a whole number of milliseconds from 1 to ${DEADLINE_MAX_MS}`);
  }
  if (attemptsMax !== undefined && !isWhole(attemptsMax, Number.MAX_SAFE_INTEGER)) {
    refuse("attemptsMax is not a whole number from 1 on; 1 turns retries off");
  }
}

function refuse(sentence: string): never {
  throw new TypeError(sentence);
}

function isBaseUrl(value: unknown): boolean {
  const url = typeof value === "string" ? URL.parse(value) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "";
}

function isWhole(value: unknown, max: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max;
}
