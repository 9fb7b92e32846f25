import { Refusal } from "./refusal.ts";

/** Where a page ended: the sort key of its last row. */
export type PageKey = string | number;

/** Rows a page has where the caller does not say. */
export const PAGE_SIZE_DEFAULT = 50;

/**
 * Makes an opaque token of a page's last sort key. Opaque so that the key may change; not secret and not signed: it
 * selects only rows that the caller may see anyway.
 */
export function encodePageToken(key: PageKey): string {
  return btoa(JSON.stringify(key)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Reads a token made by {@link encodePageToken}.
 *
 * @throws Refusal `invalid` for anything else
 */
export function decodePageToken<K extends "string" | "number">(
  token: string,
  kind: K,
): K extends "string" ? string : number {
  try {
    const key: unknown = JSON.parse(atob(token.replaceAll("-", "+").replaceAll("_", "/")));

    if (typeof key === kind && (typeof key !== "number" || Number.isSafeInteger(key))) return key as never;
  } catch {
    // Whatever is wrong with it, the answer is the one below.
  }
  throw new Refusal("invalid", "page_token is not one that this server gave out; start again without it", {
    field: "page_token",
  });
}
