import type { EventId, LeftOutReason } from "@posthaste/domain";
import type { Selectable } from "kysely";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import type { Tx } from "../database/transact.ts";
import type { LockedDelivery } from "../deliveries/move.ts";
import type { DeliveryOrigin, DeliveryRow } from "../deliveries/new-deliveries.ts";
import type { KeyHolder } from "../deliveries/url-keys.ts";

/** A recovery or replay, whose row its step has locked. */
export type RecoveryRow = Selectable<Tables["recoveries"]>;

/** `limit`: of what a step examines; `makeMax`: of what it creates or asks to be retried. */
export type Bounds = { readonly limit: number; readonly makeMax: number; readonly now: number };

/** What a step of a recovery or replay leads to, and where it ended. */
export type Step = {
  /** What it read, those outside of the recovery's filter included. */
  readonly read: number;
  readonly examined: number;
  /** The deliveries to create. */
  readonly rows: readonly DeliveryRow[];
  /** The waiting deliveries whose next attempt is to be made now. Default: none. */
  readonly waiting?: readonly LockedDelivery[];
  /** Deliveries from which some of `rows` take over the key of their URL. Default: none. */
  readonly superseded?: readonly KeyHolder[];
  readonly leftOut: readonly LeftOutReason[];
  /** Undefined: it was the last step. */
  readonly cursor: string | undefined;
  /** Nothing was examined: enough deliveries of the replay wait to be sent. Default: false. */
  readonly isHeldUp?: boolean;
  /** When a replay's subscription ended, if it has. */
  readonly subscriptionEndedAt?: number | null | undefined;
};

/** Reads what a step may examine, and plans what to do with it. */
export type PlanStep = (store: Store, tx: Tx, row: RecoveryRow, bounds: Bounds) => Promise<Step>;

/** Returns what the deliveries that a recovery creates of an event have in common. */
export function originOf(
  row: RecoveryRow,
  event: { readonly event_id: EventId; readonly event_type: string },
  now: number,
): DeliveryOrigin {
  const { event_id: eventId, event_type: eventType } = event;
  return { accountId: row.account_id, eventId, eventType, recoveryId: row.id, now };
}
