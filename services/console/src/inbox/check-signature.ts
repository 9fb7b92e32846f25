import type { InboxRequest } from "@posthaste/contracts/inbox";
import { SignatureError, verify } from "@posthaste/signature";
import { useEffect, useState } from "react";

/** What became of looking at a request's signature. */
export type Checked =
  | { readonly kind: "checking" }
  | { readonly kind: "verified" }
  | { readonly kind: "unsigned" }
  | { readonly kind: "wrong"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/**
 * Holds a request against the public keys of the subscriptions that lead here, as any receiver can: with the package
 * `@posthaste/signature`, and nothing that is secret.
 */
export function useChecked(request: InboxRequest, keysPaths: readonly string[]): Checked {
  const [checked, setChecked] = useState<Checked>({ kind: "checking" });
  const paths = keysPaths.join(" ");
  useEffect(() => {
    let isCurrent = true;
    void check(request, paths === "" ? [] : paths.split(" ")).then((found) => {
      if (isCurrent) setChecked(found);
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
  if (request.truncated) return { kind: "unknown", why: "its body is longer than what was kept" };
  if (keysPaths.length === 0) return { kind: "unknown", why: "no subscription of this account leads here" };
  try {
    const keys = (await Promise.all(keysPaths.map(publicKeysAt))).flat();
    // As of its arrival: what is looked at an hour later was not too old then.
    const now = Number(request.receivedAt?.seconds ?? 0n) * 1_000;
    await verify({ headers, body: request.body }, keys, { now });
    return { kind: "verified" };
  } catch (error) {
    if (error instanceof SignatureError) return { kind: "wrong", why: error.message };
    return { kind: "unknown", why: "this browser cannot check it here" };
  }
}

async function publicKeysAt(path: string): Promise<string[]> {
  const response = await fetch(path);
  const { keys } = (await response.json()) as { keys: { whpk: string }[] };
  return keys.map(({ whpk }) => whpk);
}
