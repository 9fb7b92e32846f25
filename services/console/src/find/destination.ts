/** Where a search leads: to the page of an id, or to what is found. */
export type Destination = { readonly kind: "page" | "search"; readonly address: string };

export const SEARCH_PATH = "/search";
/** A ULID: https://github.com/ulid/spec */
const ULID = "[0-9a-hjkmnp-tv-z]{26}";
const IDS: readonly (readonly [RegExp, (id: string) => string])[] = [
  [new RegExp(`^evt_${ULID}$`, "i"), (id) => `/events/${id.toLowerCase()}`],
  [new RegExp(`^dlv_${ULID}$`, "i"), (id) => `/deliveries/${id.toLowerCase()}`],
];

/** Returns where a search for some text leads. Undefined: there is nothing to search for. */
export function destinationOf(text: string): Destination | undefined {
  const wanted = text.trim();
  if (wanted === "") return undefined;
  for (const [pattern, addressOf] of IDS) {
    if (pattern.test(wanted)) return { kind: "page", address: addressOf(wanted) };
  }
  return { kind: "search", address: searchAddress(wanted) };
}

export function searchAddress(text: string): string {
  return `${SEARCH_PATH}?${new URLSearchParams({ q: text })}`;
}

/** Returns what the search page of an address searches for. */
export function searchedText(query: string): string {
  return (new URLSearchParams(query).get("q") ?? "").trim();
}

/** Returns the subscriptions whose URL or description has some text, whatever its case. */
export function withText<S extends { readonly targetUrl: string; readonly description: string }>(
  subscriptions: readonly S[],
  text: string,
): S[] {
  const wanted = text.trim().toLowerCase();
  return subscriptions.filter(({ targetUrl, description }) =>
    [targetUrl, description].some((one) => one.toLowerCase().includes(wanted)),
  );
}
