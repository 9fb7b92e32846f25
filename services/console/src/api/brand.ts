/** How the operator's page looks, and who may show it in a frame. The API serves it to anyone. */
export type Brand = {
  /** Null: the operator has set nothing, and the page is Posthaste's. */
  readonly name: string | null;
  /** The theme of who has not chosen one. */
  readonly theme: "system" | "light" | "dark";
  readonly frameAncestors: readonly string[];
};

/** What the page is called if it must name nobody: what it is about. */
export const NAMELESS = "Webhooks";

let current: Brand = { name: NAMELESS, theme: "system", frameAncestors: [] };

export const brand = (): Brand => current;

/** Loads the brand. If the API does not answer, the page names nobody. */
export async function loadBrand(): Promise<void> {
  try {
    // As index.html preloads it.
    const response = await fetch("/brand.json");
    if (response.ok) current = (await response.json()) as Brand;
  } catch {
    // The first call to the API says that it does not answer, and tries again.
  }
}
