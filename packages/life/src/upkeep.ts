import {
  adoptStrays,
  continueFanout,
  countChanges,
  drainSubscription,
  finishEnd,
  forgetOldCounts,
  listDraining,
  listEnding,
  listFanouts,
  listParked,
  orderChanges,
  piecesInTurns,
  RETENTION_KINDS,
  type RetentionKind,
  retain,
} from "@posthaste/store";
import { deliverAll } from "./deliver.ts";
import type { Life } from "./life.ts";
import { AGES } from "./scale.ts";

/** Pieces of each kind looked at in one turn, as in the worker. */
const PIECES_AT_ONCE = 64;
/** Subscriptions examined in one step of a fan-out. */
const FAN_OUT_PER_STEP = 15;

/** Does what the worker's upkeep does, until nothing is left to do. */
export async function upkeep(life: Life): Promise<void> {
  const { store, clock } = life;
  const some = { limit: PIECES_AT_ONCE };
  for (;;) {
    const { now } = clock;
    const fanouts = piecesInTurns(await listFanouts(store, some));
    for (const { id: eventId } of fanouts) {
      await continueFanout(store, { eventId, now, deliveriesMax: FAN_OUT_PER_STEP });
    }
    for (const { id } of piecesInTurns(await listParked(store, some))) await adoptStrays(store, id);
    const draining = piecesInTurns(await listDraining(store, some));
    for (const { id } of draining) await drainSubscription(store, { id, now });
    const ending = piecesInTurns(await listEnding(store, some));
    for (const { id } of ending) await finishEnd(store, { id, now });
    await deliverAll(life);
    if (fanouts.length + draining.length + ending.length === 0) return;
  }
}

/** Orders and counts the changes, as the worker does soon after they are made. */
export async function follow({ store, clock }: Life): Promise<void> {
  while ((await orderChanges(store, clock.now)) > 0);
  while ((await countChanges(store)) > 0);
  while ((await forgetOldCounts(store, clock.now)) > 0);
}

/** Deletes what has reached its age. */
export async function tidy(life: Life): Promise<void> {
  await follow(life);
  for (const kind of RETENTION_KINDS) await deleteOld(life, kind);
}

async function deleteOld({ store, clock }: Life, kind: RetentionKind): Promise<void> {
  const before = clock.now - AGES[kind];
  let cursor: string | undefined = "";
  while (cursor !== undefined) ({ cursor } = await retain(store, { kind, before, cursor }));
}
