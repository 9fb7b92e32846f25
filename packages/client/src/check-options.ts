/** A caller in JavaScript may pass anything, such as an unset variable of the environment. */
export type UncheckedOptions = { readonly token: unknown };

/**
 * Refuses options with which no call can succeed.
 *
 * @throws TypeError with a sentence that names the option
 */
export function checkOptions({ token }: UncheckedOptions): void {
  if (token === undefined) throw new TypeError(`token is missing: ${PASS_TOKEN}`);
  if (typeof token !== "string") throw new TypeError(`token is not a text: ${PASS_TOKEN}`);
  if (token.trim() === "") throw new TypeError(`token is empty: ${PASS_TOKEN}`);
}

const PASS_TOKEN = "pass a token of Posthaste's, such as pht_…";
