import type { Lane, SubscriptionId } from "@posthaste/domain";
import { byPrimaryKey } from "../database/by-index.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";
import type { Claim } from "./claim.ts";
import type { Pending } from "./pending-subscriptions.ts";

/** Which subscriptions a claim asks for. */
type AskedKind = Pick<Claim, "lane" | "laneDefault" | "isFailing" | "isLeftOut">;

/** Returns the subscriptions that the claim asks for. The others need no lock. */
export async function ofKind(
  store: Store,
  pending: readonly Pending[],
  claim: AskedKind,
): Promise<Pending[]> {
  if (pending.length === 0) return [];
  const rows = await store.db
    // An index holds all that this wants, and MySQL would read the whole of it.
    .selectFrom(byPrimaryKey(store, "subscriptions"))
    .innerJoin("accounts as a", "a.id", "subscriptions.account_id")
    .select(["subscriptions.id", "subscriptions.failing_since", "a.lane"])
    .where(
      "subscriptions.id",
      "in",
      pending.map(({ id }) => id),
    )
    .execute();
  const ofKind = new Set(rows.filter((row) => isOfKind(kindOf(row, claim), claim)).map(({ id }) => id));
  return pending.filter(({ id }) => ofKind.has(id) && claim.isLeftOut?.(id) !== true);
}

type Kind = { readonly lane: Lane; readonly isFailing: boolean };

function kindOf(row: { failing_since: number | null; lane: Lane | null }, claim: AskedKind): Kind {
  const isFailing = row.failing_since !== null;
  // Failing deliveries, which may hang, must not take the places of healthy ones.
  const isDirect = (row.lane ?? claim.laneDefault) === "direct" && !isFailing;
  return { lane: isDirect ? "direct" : "workflow", isFailing };
}

function isOfKind({ lane, isFailing }: Kind, claim: AskedKind): boolean {
  return (claim.lane ?? lane) === lane && (claim.isFailing ?? isFailing) === isFailing;
}

/** A subscription with pending deliveries. */
export type Visited = Awaited<ReturnType<typeof readSubscriptions>>[number];

/** Reads the subscriptions that the claim (still) asks for, in this order. */
export async function readSubscriptions(tx: Tx, ids: readonly SubscriptionId[], claim: AskedKind) {
  const rows = await tx
    .selectFrom("subscriptions as s")
    .innerJoin("accounts as a", "a.id", "s.account_id")
    .select([
      "s.id",
      "s.account_id",
      "s.state",
      "s.target_url",
      "s.draining",
      "s.failing_since",
      "s.rate_per_1000s",
      "s.rate_burst",
      "s.concurrency",
      "a.lane",
    ])
    .where("s.id", "in", ids)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, { ...row, ...kindOf(row, claim) }]));
  return ids.flatMap((id) => byId.get(id) ?? []).filter((row) => isOfKind(row, claim));
}
