import type { Subscription } from "@posthaste/contracts/subscription";
import { type NamedValue, newRow, problemOfNames, rowsOfValues, valuesOf } from "./named-values.ts";

/** The options of a subscription that few owners need, as a form holds them. */
export type MoreOptions = {
  /** Whether the credential is to be removed, if no new one is typed. */
  readonly removesSecret: boolean;
  /** The number of attempts that may follow at once. Empty: the default, those of a second. */
  readonly burst: string;
  readonly headers: readonly NamedValue[];
  readonly metadata: readonly NamedValue[];
};

export const NO_OPTIONS: MoreOptions = { removesSecret: false, burst: "", headers: [], metadata: [] };

const BURST_MAX = 1_000;

export function optionsOf({ rateLimit, headerNames, metadata }: Subscription): MoreOptions {
  // The default is left empty, so that another rate gets its own.
  const isDefault = rateLimit === undefined || rateLimit.burst === Math.ceil(rateLimit.perSecond);
  return {
    removesSecret: false,
    burst: isDefault ? "" : String(rateLimit.burst),
    headers: headerNames.map((name) => newRow(name, "", true)),
    metadata: rowsOfValues(metadata),
  };
}

/** Returns what is wrong with the options, as a sentence; empty: nothing. */
export function problemOfOptions({ burst, headers, metadata }: MoreOptions): string {
  const attempts = Number(burst);
  if (!(Number.isInteger(attempts) && attempts >= 0 && attempts <= BURST_MAX))
    return "Enter a burst of 1 to 1,000 attempts.";
  const problem = problemOfNames(headers, "header", (name) => name.toLowerCase());
  return problem === "" ? problemOfNames(metadata, "entry") : problem;
}

/** Converts the metadata for a request of either RPC. */
export const metadataOf = ({ metadata }: MoreOptions) => ({ values: valuesOf(metadata) });

/**
 * Returns the credential that an update sets, or removes by the empty string; undefined: it stays.
 *
 * @param secret what was typed
 */
export function newSecretOf(secret: string, { removesSecret }: MoreOptions): string | undefined {
  return secret !== "" || removesSecret ? secret : undefined;
}
