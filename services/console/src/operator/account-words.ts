import { Lane } from "@posthaste/contracts/account";
import { whole } from "../parts/numbers.ts";

/** The API counts up to this. */
const COUNTED_MAX = 1_000;

export const LANES = {
  [Lane.UNSPECIFIED]: "default",
  [Lane.WORKFLOW]: "workflow",
  [Lane.DIRECT]: "direct",
} as const satisfies Record<Lane, string>;

/** What a token or portal session may be allowed. */
export const SCOPES = [
  "subscriptions:read",
  "subscriptions:write",
  "deliveries:read",
  "deliveries:write",
  "events:write",
  "catalog:write",
] as const;

/** Says a count that stops at its maximum. */
export function countUpTo(count: number): string {
  return count >= COUNTED_MAX ? `${whole(count)}+` : whole(count);
}
