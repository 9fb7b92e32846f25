import { brand, NAMELESS } from "../api/brand.ts";
import { isCustomer } from "./session-store.ts";

/** Returns what the page is called. An operator's customers never read of Posthaste. */
export function productName(): string {
  return brand().name ?? (isCustomer() ? NAMELESS : "Posthaste");
}
