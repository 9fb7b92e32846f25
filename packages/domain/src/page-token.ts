import { Refusal } from "./refusal.ts";

/** The sort key of a page's last row. */
export type PageKey = string | number;

/** The number of rows in a page if the caller does not choose one. */
export const PAGE_SIZE_DEFAULT = 50;

/**
 * Encodes the sort key of a page's last row as an opaque token. Opaque, so that the sort key may change;
 * neither secret nor signed, because it selects only rows that the caller may read anyway.
 */
export function encodePageToken(key: PageKey): string {
  return btoa(JSON.stringify(key)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Decodes a token of {@link encodePageToken}.
 *
 * @param kind the type that the sort key must have
 * @throws Refusal `invalid` for any other token
 */
export function decodePageToken<K extends "string" | "number">(
  token: string,
  kind: K,
): K extends "string" ? string : number {
  try {
    const key: unknown = JSON.parse(atob(token.replaceAll("-", "+").replaceAll("_", "/")));
    // Ids have no space, and MySQL ignores one at their end.
    const isKey = typeof key === "string" ? !key.includes(" ") : Number.isSafeInteger(key);
    if (typeof key === kind && isKey) return key as never;
  } catch {
    // The refusal below covers every invalid token.
  }
  throw new Refusal("invalid", "page_token was not issued by this server; start again without it", {
    reason: "PAGE_TOKEN_INVALID",
    field: "page_token",
  });
}
