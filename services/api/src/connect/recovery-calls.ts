import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  DeliveryService,
  RecoverDeliveriesRequest,
  ReplayEventsRequest,
} from "@posthaste/contracts/delivery";
import {
  type AccountId,
  decodePageToken,
  type RecoveryId,
  type RecoveryKind,
  Refusal,
  type SubscriptionId,
} from "@posthaste/domain";
import {
  changeRecovery,
  createRecovery,
  getRecovery,
  listRecoveries,
  type Recovery,
  type RecoveryFilter,
  type Store,
} from "@posthaste/store";
import type { Deps } from "../deps.ts";
import { byOf, callerOf } from "./call-values.ts";
import { recoveryTo } from "./convert.ts";
import { eventTypesFrom, recoveryFilterFrom } from "./delivery-filters.ts";
import { eventNamed } from "./event-calls.ts";
import { page } from "./page.ts";
import { pointInTime } from "./point-in-time.ts";

/** Default rate: gentle on a receiver that is recovering from an outage. */
const RATE_PER_SECOND_DEFAULT = 100;

type RecoveryCalls = Pick<
  ServiceImpl<typeof DeliveryService>,
  | "recoverDeliveries"
  | "replayEvents"
  | "getRecovery"
  | "listRecoveries"
  | "pauseRecovery"
  | "resumeRecovery"
  | "cancelRecovery"
>;

type RecoveryParts = Pick<
  Deps,
  "store" | "now" | "nudge" | "log" | "names" | "signalRecovery" | "temporalWait"
>;

/** The calls for recoveries and replays. They store the request; the worker's workflows carry it out. */
export function recoveryCalls(parts: RecoveryParts): RecoveryCalls {
  const { store, now, nudge, log, names, signalRecovery, temporalWait } = parts;
  const start = async (
    kind: RecoveryKind,
    request: RecoverDeliveriesRequest | ReplayEventsRequest,
    filter: RecoveryFilter,
    context: HandlerContext,
  ) => {
    const at = now();
    const recovery = await createRecovery(store, {
      accountId: callerOf(context).accountId,
      kind,
      subscriptionId: request.subscriptionId === 0 ? null : (request.subscriptionId as SubscriptionId),
      ...rangeOf(request, at),
      isDryRun: request.dryRun,
      ratePerSecond: request.ratePerSecond === 0 ? RATE_PER_SECOND_DEFAULT : request.ratePerSecond,
      filter,
      now: at,
      by: byOf(context),
    });
    nudge();
    return { recovery: recoveryTo(recovery, names) };
  };
  const change = async (
    to: Parameters<typeof changeRecovery>[1]["to"],
    request: { readonly id: number },
    context: HandlerContext,
  ) => {
    const id = request.id as RecoveryId;
    const { accountId, token } = callerOf(context);
    const by = byOf(context, { stops: to !== "running" });
    const changed = await changeRecovery(store, { accountId, id, to, now: now(), by });
    const recovery = found(changed, id);
    await temporalWait(token.accountId, () => signalRecovery(id)).catch((error: unknown) => {
      log.error("recovery.signal_delayed", error, { recoveryId: id });
    });
    return { recovery: recoveryTo(recovery, names) };
  };
  return {
    async recoverDeliveries(request, context) {
      const { accountId } = callerOf(context);
      if (request.eventId !== "") await eventNamed(store, accountId, request.eventId, "event_id");
      return await start("recover", request, recoveryFilterFrom(request), context);
    },
    replayEvents: (request, context) => start("replay", request, eventTypesFrom(request), context),
    async getRecovery(request, context) {
      const { accountId } = callerOf(context);
      return { recovery: recoveryTo(await recoveryNamed(store, accountId, request.id), names) };
    },
    async listRecoveries(request, context) {
      const { accountId } = callerOf(context);
      const { pageToken } = request;
      const { rows, nextPageToken } = await page(request, (limit) =>
        listRecoveries(store, {
          accountId,
          limit,
          ...(pageToken === "" ? {} : { before: decodePageToken(pageToken, "number") as RecoveryId }),
        }),
      );
      return { recoveries: rows.map((row) => recoveryTo(row, names)), nextPageToken };
    },
    pauseRecovery: (request, context) => change("paused", request, context),
    resumeRecovery: (request, context) => change("running", request, context),
    cancelRecovery: (request, context) => change("cancelled", request, context),
  };
}

/**
 * Returns the range of time that a caller wants.
 *
 * @throws Refusal if it can hold nothing: the caller has confused two times, or their units
 */
function rangeOf(
  { since, until }: RecoverDeliveriesRequest | ReplayEventsRequest,
  now: number,
): { readonly sinceAt: number; readonly untilAt: number } {
  const sinceAt = since === undefined ? 0 : pointInTime(since, "since");
  const untilAt = until === undefined ? now : pointInTime(until, "until");
  if (sinceAt > now)
    throw new Refusal("invalid", "since is in the future; nothing is there to send", { field: "since" });
  if (until !== undefined && untilAt <= sinceAt)
    throw new Refusal("invalid", "until must be later than since", { field: "until" });
  return { sinceAt, untilAt };
}

/** @throws Refusal `not_found` */
async function recoveryNamed(store: Store, accountId: AccountId, number: number): Promise<Recovery> {
  const id = number as RecoveryId;
  return found(await getRecovery(store, { accountId, id }), id);
}

function found(recovery: Recovery | undefined, id: RecoveryId): Recovery {
  if (recovery !== undefined) return recovery;
  throw new Refusal("not_found", `this account has no recovery ${id}`, { field: "id" });
}
