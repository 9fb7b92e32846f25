import type { DeliveryEvent, DeliveryId, DeliveryState } from "@posthaste/domain";
import { type Insertable, type Selectable, sql, type Updateable } from "kysely";
import { sha256 } from "../database/ids.ts";
import { inParts, isEverybodys, type Refused } from "../database/in-parts.ts";
import { insertRows } from "../database/insert-rows.ts";
import { lockRow, lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { type Tx, transact } from "../database/transact.ts";
import { type NewValues, updateRows } from "../database/update-rows.ts";
import { HELD, holdsNoTime, TIME_COLUMNS, type TimeColumn, TRANSITIONS } from "./transitions.ts";
import type { KeyHolder } from "./url-keys.ts";

/** The columns that {@link move} needs. */
export const MOVED_COLUMNS = [
  "id",
  "account_id",
  "event_id",
  "event_type",
  "subscription_id",
  "state",
  "attempts",
  "in_order",
  "lease_owner",
  "last_outcome",
  "last_status",
  "test",
  "traceparent",
  "created_at",
  ...TIME_COLUMNS,
] as const;

/** A row whose lock the transaction holds. */
export type LockedDelivery = Pick<Selectable<Tables["deliveries"]>, (typeof MOVED_COLUMNS)[number]>;

/**
 * Returns whether exactly the attempts before this one, counted from 1, are recorded. It says nothing of the
 * delivery's state.
 */
export function isNextAttempt({ attempts }: Pick<LockedDelivery, "attempts">, number: number): boolean {
  return attempts === number - 1;
}

type Columns = (typeof TRANSITIONS)[DeliveryEvent]["columns"];
/** The columns that an event sets. `in_flight_of` is always the row's own subscription. */
type SetColumns<E extends DeliveryEvent> = {
  [C in keyof (typeof TRANSITIONS)[E]["columns"] as (typeof TRANSITIONS)[E]["columns"][C] extends "set"
    ? Exclude<C, "in_flight_of">
    : never]: C extends "turn_at" ? number | null : number;
};

/** One event of one delivery. */
export type Move = {
  readonly event: DeliveryEvent;
  readonly row: LockedDelivery;
  readonly set: Updateable<Tables["deliveries"]>;
  /** Duration of the attempt that is the event. */
  readonly attemptMs?: number;
};

/**
 * @param times the value of each time column that the event sets
 * @param others other columns to write with it
 */
export function eventOf<E extends DeliveryEvent>(
  event: E,
  row: LockedDelivery,
  times: SetColumns<E>,
  others: Updateable<Tables["deliveries"]> = {},
): Move {
  return { event, row, set: { ...others, ...times } };
}

/** Applies one event to several deliveries; see {@link move}. */
export async function moveAll<E extends DeliveryEvent>(
  tx: Tx,
  event: E,
  rows: readonly LockedDelivery[],
  times: SetColumns<E>,
  now: number,
  others: Updateable<Tables["deliveries"]> = {},
): Promise<LockedDelivery[]> {
  return await move(
    tx,
    rows.map((row) => eventOf(event, row, times, others)),
    now,
  );
}

/** MariaDB sorts 1,000 ids or more only after it has locked their rows in another order. */
const LOCKED_AT_ONCE = 500;

/**
 * Reads deliveries, each once, and locks them until the end of the transaction. They are locked in the order
 * of their ids, so that two transactions that share rows do not deadlock.
 *
 * @param ifLocked rows that another transaction holds: `wait` for them, or `skip` them as if they did not
 *   exist. Default: `wait`
 */
export async function lockDeliveries(
  store: Store,
  tx: Tx,
  ids: readonly DeliveryId[],
  ifLocked: "wait" | "skip" = "wait",
): Promise<LockedDelivery[]> {
  const sorted = [...new Set(ids)].sort();
  const rows: LockedDelivery[] = [];
  for (let from = 0; from < sorted.length; from += LOCKED_AT_ONCE) {
    const some = sorted.slice(from, from + LOCKED_AT_ONCE);
    const query = tx.selectFrom("deliveries").select(MOVED_COLUMNS).where("id", "in", some).orderBy("id");
    rows.push(...(await lockRows(store, query, ifLocked).execute()));
  }
  return rows;
}

/** Reads a delivery and locks it until the end of the transaction; see {@link lockRow}. */
export async function lockDelivery(
  store: Store,
  tx: Tx,
  id: DeliveryId,
): Promise<LockedDelivery | undefined> {
  const query = tx.selectFrom("deliveries").select(MOVED_COLUMNS).where("id", "=", id);
  return await lockRow(store, query, `delivery ${id}`);
}

/**
 * Locks deliveries in a transaction of its own, and moves them as `plan` says; see {@link move}. Deliveries
 * that another transaction holds are left as they are: they may belong to another account. If that fails, the
 * deliveries are moved in parts, so that one of them does not keep the others from it. Without ids, there is
 * no transaction: it would wait for other writers.
 *
 * @returns the deliveries that were moved, as they are now, and those whose move failed
 */
export async function lockAndMove(
  store: Store,
  ids: readonly DeliveryId[],
  now: number,
  plan: (rows: readonly LockedDelivery[]) => readonly Move[],
): Promise<{ moved: LockedDelivery[]; refused: Refused<DeliveryId>[] }> {
  const moved: LockedDelivery[] = [];
  const moveSome = async (some: readonly DeliveryId[]) => {
    const rows = await transact(store, async (tx) =>
      move(tx, plan(await lockDeliveries(store, tx, some, "skip")), now),
    );
    moved.push(...rows);
  };
  const refused = await inParts(ids, moveSome, (error) => isEverybodys(store, error));
  return { moved, refused };
}

/** An event that the table of transitions does not have for the delivery's state. */
export class ImpossibleTransition extends Error {
  override readonly name = "ImpossibleTransition";
}

/**
 * Applies events to deliveries, in their order, and logs exactly the deliveries that changed. A delivery may
 * have several events. Late events change nothing.
 *
 * @returns the deliveries that were moved, as they are now
 * @throws ImpossibleTransition if the table has no such transition, or a row would hold time columns that do
 *   not fit its state
 */
export async function move(tx: Tx, moves: readonly Move[], now: number): Promise<LockedDelivery[]> {
  const moved = new Map<DeliveryId, { row: LockedDelivery; values: Updateable<Tables["deliveries"]> }>();
  const changes: Insertable<Tables["delivery_changes"]>[] = [];
  for (const one of moves) {
    const before = moved.get(one.row.id) ?? { row: one.row, values: {} };
    const values = valuesAfter(one, before.row);
    if (values === undefined) continue;
    const row: LockedDelivery = { ...before.row, ...values };
    // A row that is wrong already can still be put off. Otherwise it would stay in front of the others.
    if (!PUTS_OFF.has(one.event)) assertTimes(one.event, row);
    moved.set(row.id, { row, values: { ...before.values, ...values } });
    if (row.state !== before.row.state || row.attempts !== before.row.attempts) {
      changes.push(changeOf(one, row, now));
    }
  }
  const updates = [...moved].map(([key, { values }]) => ({ key, values: withOwnPlace(values) }));
  await updateRows(tx, "deliveries", "id", updates);
  await insertRows(tx, "delivery_changes", changes);
  return [...moved.values()].map(({ row }) => row);
}

/**
 * Takes the keys of URLs from deliveries that do not serve them any more, and gives each a key of its own. It
 * is no event of a delivery: what becomes of it does not depend on its key. See `url-keys.ts`.
 *
 * @param holders deliveries of events that the transaction has locked
 */
export async function passOnKeys(tx: Tx, holders: readonly KeyHolder[]): Promise<void> {
  const updates = holders.map(({ id, key }) => ({ key: id, values: { target_key: sha256(key, id) } }));
  updates.sort((a, b) => (a.key < b.key ? -1 : 1));
  await updateRows(tx, "deliveries", "id", updates);
}

/** A delivery to which an event cannot happen, because its row does not fit its state. */
export type Misfit = Refused<DeliveryId> & { readonly row: LockedDelivery };

/** Sorts rows by whether {@link move} would throw on the event: one bad row must not stop the others. */
export function sortByFit<E extends DeliveryEvent>(
  event: E,
  rows: readonly LockedDelivery[],
  times: SetColumns<E>,
): { fitting: LockedDelivery[]; misfits: Misfit[] } {
  const fitting: LockedDelivery[] = [];
  const misfits: Misfit[] = [];
  for (const row of rows) {
    const error = misfitOf(eventOf(event, row, times));
    if (error === undefined) fitting.push(row);
    else misfits.push({ item: row.id, row, error });
  }
  return { fitting, misfits };
}

function misfitOf(one: Move): ImpossibleTransition | undefined {
  try {
    const values = valuesAfter(one, one.row);
    if (values !== undefined) assertTimes(one.event, { ...one.row, ...values });
    return undefined;
  } catch (error) {
    if (error instanceof ImpossibleTransition) return error;
    throw error;
  }
}

/** The events that only put a delivery off. */
const PUTS_OFF: ReadonlySet<DeliveryEvent> = new Set(["set_aside", "defer_reconcile"]);

/** Returns the columns that the event writes; undefined: it comes late. */
function valuesAfter({ event, set }: Move, row: LockedDelivery): Partial<LockedDelivery> | undefined {
  const transition: { to: Partial<Record<DeliveryState, DeliveryState>>; late: readonly DeliveryState[] } =
    TRANSITIONS[event];
  const state = transition.to[row.state];
  if (state === undefined) {
    if (transition.late.includes(row.state)) return undefined;
    throw new ImpossibleTransition(`delivery ${row.id} is ${row.state}: ${event} cannot happen to it`);
  }
  // A column that is written is an index that may be.
  const changed = state === row.state ? {} : { state };
  return { ...set, ...changed, ...timesAfter(event, row, state, set) } as Partial<LockedDelivery>;
}

function timesAfter(
  event: DeliveryEvent,
  row: LockedDelivery,
  state: DeliveryState,
  set: Updateable<Tables["deliveries"]>,
): Updateable<Tables["deliveries"]> {
  const effects: Columns & Partial<Record<TimeColumn, "set" | "clear">> = TRANSITIONS[event].columns;
  const times: Updateable<Tables["deliveries"]> = {};
  for (const column of TIME_COLUMNS) {
    if (holdsNoTime(state) || effects[column] === "clear") times[column] = null;
    else if (effects[column] === "set" && column === "in_flight_of") times[column] = row.subscription_id;
    else if (effects[column] === "set" && set[column] === undefined) {
      throw new ImpossibleTransition(`${event} of delivery ${row.id} does not say its ${column}`);
    }
  }
  return times.lease_until === null ? { ...times, lease_owner: null } : times;
}

function assertTimes(event: DeliveryEvent, row: LockedDelivery): void {
  const held: Partial<Record<TimeColumn, boolean>> =
    row.state === "pending" || row.state === "started" ? HELD[row.state] : {};
  for (const column of TIME_COLUMNS) {
    if (held[column] === undefined || (row[column] !== null) === held[column]) continue;
    const has = held[column] ? "has no" : "has a";
    throw new ImpossibleTransition(`after ${event}, delivery ${row.id} is ${row.state} and ${has} ${column}`);
  }
}

/** Lets deliveries of several subscriptions take their places by the same value. */
function withOwnPlace(values: Updateable<Tables["deliveries"]>): NewValues<"deliveries"> {
  return values.in_flight_of == null ? values : { ...values, in_flight_of: OWN_SUBSCRIPTION };
}

const OWN_SUBSCRIPTION = sql.ref("subscription_id");

function changeOf(
  { event, attemptMs }: Move,
  row: LockedDelivery,
  now: number,
): Insertable<Tables["delivery_changes"]> {
  return {
    account_id: row.account_id,
    delivery_id: row.id,
    event_id: row.event_id,
    event_type: row.event_type,
    subscription_id: row.subscription_id,
    cause: event,
    state: row.state,
    attempts: row.attempts,
    attempt_ms: attemptMs ?? null,
    last_outcome: row.last_outcome,
    last_status: row.last_status,
    changed_at: now,
  };
}
