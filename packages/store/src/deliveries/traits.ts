import type { Outcome, RecoveryId } from "@posthaste/domain";
import { type Expression, expressionBuilder, type Selectable, type SqlBool } from "kysely";
import type { Tables } from "../database/tables.ts";

/*
 * What deliveries can be told apart by without an index: ingest would pay for each. A reader examines a
 * bounded number of deliveries along an index, and leaves out those without the traits.
 */

/** What deliveries must be like; each that is absent is no condition. */
export type Traits = {
  readonly eventTypes?: readonly string[];
  /** Of the last attempt. */
  readonly outcomes?: readonly Outcome[];
  /** Of the last answer. */
  readonly statuses?: readonly number[];
  /** Attempts made, at least. */
  readonly attemptsMin?: number;
  /** Which recovery or replay created them, or asked last for their retry. */
  readonly recoveryId?: RecoveryId;
};

/** The columns that {@link hasTraits} needs. */
export const TRAIT_COLUMNS = [
  "event_type",
  "last_outcome",
  "last_status",
  "attempts",
  "recovery_id",
] as const satisfies readonly (keyof Tables["deliveries"])[];
type TraitColumns = Pick<Selectable<Tables["deliveries"]>, (typeof TRAIT_COLUMNS)[number]>;

/** Returns whether a delivery has these traits. */
export function hasTraits(traits: Traits, row: TraitColumns): boolean {
  const { eventTypes, outcomes, statuses, attemptsMin = 0, recoveryId } = traits;
  return (
    (eventTypes === undefined || eventTypes.includes(row.event_type)) &&
    (outcomes === undefined || (row.last_outcome !== null && outcomes.includes(row.last_outcome))) &&
    (statuses === undefined || (row.last_status !== null && statuses.includes(row.last_status))) &&
    row.attempts >= attemptsMin &&
    (recoveryId === undefined || row.recovery_id === recoveryId)
  );
}

/** Returns the same condition for a query of deliveries. */
export function whereTraits(traits: Traits): Expression<SqlBool> {
  const { eventTypes, outcomes, statuses, attemptsMin, recoveryId } = traits;
  const eb = expressionBuilder<Tables, "deliveries">();
  const conditions: Expression<SqlBool>[] = [];
  if (eventTypes !== undefined) conditions.push(eb("deliveries.event_type", "in", eventTypes));
  if (outcomes !== undefined) conditions.push(eb("deliveries.last_outcome", "in", outcomes));
  if (statuses !== undefined) conditions.push(eb("deliveries.last_status", "in", statuses));
  if (attemptsMin !== undefined) conditions.push(eb("deliveries.attempts", ">=", attemptsMin));
  if (recoveryId !== undefined) conditions.push(eb("deliveries.recovery_id", "=", recoveryId));
  return eb.and(conditions);
}
