import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
import {
  type EgressRules,
  type Forbidden,
  literalAddress,
  permitsPort,
  portOf,
  whyForbidden,
} from "@posthaste/domain";

/** Resolves a name to all its addresses, in the order in which to try them. */
export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

/** The operating system's resolver, including the hosts file. */
export const systemLookup: Lookup = (hostname) => lookup(hostname, { all: true, order: "verbatim" });

/**
 * The target may not be called. The message goes into the attempt log, which the subscriber can read, so it
 * must not contain an address inside the operator's network.
 */
export class TargetBlocked extends Error {
  override readonly name = "TargetBlocked";
  /** The blocked address, port or scheme, for the operator's log. */
  readonly found: string;

  constructor(message: string, found: string) {
    super(message);
    this.found = found;
  }
}

/**
 * Returns the addresses to dial for a URL: its literal address, or those of its name that `resolve` returns.
 * All of them must be permitted; otherwise, whether a name with a public and a private address is blocked
 * would depend on chance.
 *
 * @throws TargetBlocked, or the resolver's error
 */
export async function resolveTarget(
  url: URL,
  rules: EgressRules,
  resolve: Lookup,
): Promise<readonly LookupAddress[]> {
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new TargetBlocked("only http and https are allowed", url.protocol);
  }
  const port = portOf(url);
  if (!permitsPort(rules, port)) throw new TargetBlocked(`port ${port} is not allowed`, `port ${port}`);
  const literal = literalAddress(url);
  const addresses =
    literal === undefined
      ? await resolve(url.hostname)
      : [{ address: literal, family: isIPv6(literal) ? 6 : 4 }];
  for (const { address } of addresses) requirePermitted(rules, address);
  if (addresses.length === 0) throw Object.assign(new Error("the name has no address"), { code: "ENODATA" });
  return addresses;
}

const BLOCKED_TEXT: Readonly<Record<Forbidden, string>> = {
  denied: "deliveries may not reach the target's address",
  not_public: "the target's address is not on the public internet",
};

/** @throws TargetBlocked */
export function requirePermitted(rules: EgressRules, address: string): void {
  const why = whyForbidden(rules, address);
  if (why !== undefined) throw new TargetBlocked(BLOCKED_TEXT[why], address);
}
