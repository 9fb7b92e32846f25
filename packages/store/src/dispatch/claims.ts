import type { DeliveryId } from "@posthaste/domain";
import type { Refused } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { eventOf, lockAndMove } from "../deliveries/move.ts";
import { RECONCILE_GRACE_MS } from "../deliveries/transitions.ts";

/*
 * What a claimer does with its claims. A claim that ran out may belong to another claimer by now, so each
 * function changes only claims of `owner`. Each returns the deliveries whose row the database or the table of
 * transitions refused to change, with the reasons: the others are changed.
 */

/**
 * How soon the reconciler examines the start of a delivery that had a workflow before. That workflow parked
 * or unclaimed it and ends a moment later. A start within this moment finds it still running, and starts
 * nothing.
 */
const AGAIN_GRACE_MS = 5_000;

/**
 * Notes that the workflows of these claimed deliveries were started. Deliveries that moved meanwhile stay as
 * they are. If another worker has claimed one, that worker starts its workflow too, which is harmless, and
 * marks it.
 */
export async function markStarted(
  store: Store,
  { owner, ids, now }: { owner: string; ids: readonly DeliveryId[]; now: number },
): Promise<Refused<DeliveryId>[]> {
  const { refused } = await lockAndMove(store, ids, now, (rows) =>
    rows
      // Without an owner: its turn had not come, so its workflow unclaimed it and has ended.
      .filter((row) => row.lease_owner === owner)
      .map((row) => {
        // A delivery that was parked or unclaimed is due since then.
        const isAgain = row.next_attempt_at !== row.created_at;
        const times = { reconcile_after: now + (isAgain ? AGAIN_GRACE_MS : RECONCILE_GRACE_MS) };
        return eventOf("start", row, times, { started_at: now });
      }),
  );
  return refused;
}

/**
 * Releases the claims that this owner still holds after their workflows could not be started, so that any
 * worker may claim the deliveries again.
 */
export async function releaseClaims(
  store: Store,
  { owner, ids, now }: { owner: string; ids: readonly DeliveryId[]; now: number },
): Promise<Refused<DeliveryId>[]> {
  const { refused } = await lockAndMove(store, ids, now, (rows) =>
    rows.filter((row) => row.lease_owner === owner).map((row) => eventOf("release_claim", row, {})),
  );
  return refused;
}

/** A claim to set aside. */
export type SetAsideClaim = {
  readonly id: DeliveryId;
  /** No worker claims the delivery before. */
  readonly untilMs: number;
  /** It keeps its place meanwhile, so that those wait which come after it in order. Default: false. */
  readonly keepsPlace?: boolean;
};

/**
 * Releases claims that this owner still holds, and keeps every worker from claiming the deliveries until a
 * time of their own: they would only fail again, in front of the others.
 */
export async function setAsideClaims(
  store: Store,
  { owner, claims, now }: { owner: string; claims: readonly SetAsideClaim[]; now: number },
): Promise<Refused<DeliveryId>[]> {
  const byId = new Map(claims.map((claim) => [claim.id, claim]));
  const { refused } = await lockAndMove(store, [...byId.keys()], now, (rows) =>
    rows
      .filter((row) => row.lease_owner === owner)
      .map((row) => {
        const { untilMs: lease_until = now, keepsPlace = false } = byId.get(row.id) ?? {};
        if (keepsPlace) return eventOf("renew_claim", row, { lease_until });
        return eventOf("set_aside", row, { lease_until }, { lease_owner: null });
      }),
  );
  return refused;
}

/**
 * Extends the claims that this owner still holds, by a whole lease from when their rows are locked. A lease
 * that has run out is renewed too, unless another claimer has the delivery by now.
 *
 * @param now the installation's clock
 * @returns `renewed`: until when those claims last that this owner still holds
 */
export async function renewClaims(
  store: Store,
  asked: { owner: string; ids: readonly DeliveryId[]; leaseMs: number; now: () => number },
): Promise<{ renewed: Map<DeliveryId, number>; refused: Refused<DeliveryId>[] }> {
  const { owner, ids, leaseMs, now } = asked;
  const { moved, refused } = await lockAndMove(store, ids, now(), (rows) => {
    const times = { lease_until: now() + leaseMs };
    return rows.filter((row) => row.lease_owner === owner).map((row) => eventOf("renew_claim", row, times));
  });
  const renewed = moved.flatMap(({ id, lease_until: until }): [DeliveryId, number][] =>
    until === null ? [] : [[id, until]],
  );
  return { renewed: new Map(renewed), refused };
}
