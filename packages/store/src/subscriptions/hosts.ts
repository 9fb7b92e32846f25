import { type AccountId, hostOf, Refusal, type SubscriptionId } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { byIndex } from "../database/by-index.ts";
import { sha256 } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { idsInEachState } from "./live-subscriptions.ts";
import { lockSubscription } from "./lock-subscription.ts";

/*
 * Anybody can name a foreign host in a target URL, and an event is sent to each subscription that wants it.
 * So an account may have few subscriptions on a host until that host has answered one of its deliveries with
 * 2xx. It is then *proven* for the account, by the subscription that was delivered to.
 */

/** Returns the columns of the host of a new target URL. */
export function hostColumns(targetUrl: string) {
  return { host_hash: sha256(hostOf(targetUrl)), host_proven: 0 };
}

/**
 * Returns whether the host of a subscription's URL is proven by it. During an upgrade, a process that knows
 * no hosts may have changed the URL: what the row says is then of another host.
 */
export function isHostProven(
  row: Pick<Selectable<Tables["subscriptions"]>, "target_url" | "host_hash" | "host_proven">,
): boolean {
  return row.host_proven === 1 && row.host_hash?.equals(sha256(hostOf(row.target_url))) === true;
}

/**
 * Requires that a subscription may be added to the host of a URL. The transaction must hold the account, or
 * two calls could both find the last room.
 *
 * @throws Refusal `too_many`
 */
export async function requireRoomOnHost(
  store: Store,
  tx: Tx,
  { accountId, targetUrl, max }: { accountId: AccountId; targetUrl: string; max: number },
): Promise<void> {
  const hash = sha256(hostOf(targetUrl));
  const onHost = (isProven: 0 | 1) =>
    tx
      .selectFrom(byIndex(store, "subscriptions", "subscriptions_by_host"))
      .select("id")
      .where("account_id", "=", accountId)
      .where("host_hash", "=", hash)
      .where("host_proven", "=", isProven);
  // Ended ones prove a host, too.
  if ((await onHost(1).limit(1).executeTakeFirst()) !== undefined) return;
  const live = await idsInEachState((state) => onHost(0).where("state", "=", state))
    .limit(max)
    .execute();
  if (live.length < max) return;
  throw new Refusal(
    "too_many",
    `this account has ${max} ${max === 1 ? "subscription" : "subscriptions"} on ${hostOf(targetUrl)}, the maximum until that host has answered a delivery to one of them with 2xx; send one a test event`,
    // Waiting does not help, so nothing says how long.
    { reason: "HOST_UNPROVEN", metadata: { limit: String(max) }, field: "target_url" },
  );
}

/**
 * Notes that the host of a subscription's URL has answered a delivery with 2xx, unless the URL has changed
 * since. If another transaction holds the subscription, nothing happens: the next answer is noted.
 */
export async function noteHostProven(
  store: Store,
  { id, targetUrl, targetHash }: { id: SubscriptionId; targetUrl: string; targetHash: Buffer },
): Promise<void> {
  await transact(store, async (tx) => {
    const row = await lockSubscription(store, tx, "any", id, { ifLocked: "skip" });
    if (row === undefined || isHostProven(row) || !row.target_hash.equals(targetHash)) return;
    await tx
      .updateTable("subscriptions")
      .set({ ...hostColumns(targetUrl), host_proven: 1 })
      .where("id", "=", id)
      .execute();
  });
}
