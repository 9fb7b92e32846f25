import type { InboxRequest } from "@posthaste/contracts/inbox";
import { SignatureError, verify } from "@posthaste/signature";
import { useEffect, useState } from "react";

/** The result of checking a request's signature. */
export type Checked =
  | { readonly kind: "checking" }
  | { readonly kind: "verified" }
  | { readonly kind: "unsigned" }
  | { readonly kind: "wrong"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/**
 * Verifies a request with the public keys of the subscriptions that send to this inbox, as any receiver can:
 * with the package `@posthaste/signature` and without a secret.
 */
export function useChecked(request: InboxRequest, keysPaths: readonly string[]): Checked {
  const [checked, setChecked] = useState<Checked>({ kind: "checking" });
  const paths = keysPaths.join(" ");
  useEffect(() => {
    let isCurrent = true;
    void check(request, paths === "" ? [] : paths.split(" ")).then((result) => {
      if (isCurrent) setChecked(result);
    });
    return () => {
      isCurrent = false;
    };
  }, [request, paths]);
  return checked;
}

async function check(request: InboxRequest, keysPaths: readonly string[]): Promise<Checked> {
  const headers = Object.fromEntries(request.headers.map(({ name, value }) => [name, value]));
  if (headers["webhook-signature"] === undefined) return { kind: "unsigned" };
  if (request.truncated) return { kind: "unknown", why: "its body was truncated" };
  if (keysPaths.length === 0)
    return { kind: "unknown", why: "no subscription of this account sends to this inbox" };
  try {
    const keys = (await Promise.all(keysPaths.map(publicKeysAt))).flat();
    // Checks the age at arrival: a request viewed an hour later was not too old when it arrived.
    const now = Number(request.receivedAt?.seconds ?? 0n) * 1_000;
    await verify({ headers, body: request.body }, keys, { now });
    return { kind: "verified" };
  } catch (error) {
    if (error instanceof SignatureError) return { kind: "wrong", why: error.message };
    return { kind: "unknown", why: "this browser cannot verify signatures here" };
  }
}

async function publicKeysAt(path: string): Promise<string[]> {
  const response = await fetch(path);
  const { keys } = (await response.json()) as { keys: { whpk: string }[] };
  return keys.map(({ whpk }) => whpk);
}
