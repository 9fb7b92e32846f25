import type { SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import { padded } from "../database/dialect/few-texts.ts";
import { insertRows } from "../database/insert-rows.ts";
import type { Tx } from "../database/transact.ts";
import type { Turns } from "../subscriptions/pace.ts";
import type { Block } from "./slot-blocks.ts";

/**
 * Blocks read ahead of the slots in which retries are due, in one statement. They are shared out among these
 * slots, and each gets as many more as it has retries. A block that is passed is joined to the one before, so
 * many blocks are passed in several transactions, and never again.
 */
const AHEAD_AT_ONCE = 600;
/** Maximum blocks read ahead of one slot. */
const AHEAD_MAX = 100;
/**
 * Blocks that have passed are deleted with the next reservations, in one statement; they are shared out among
 * the subscriptions. After a long backlog there may be thousands.
 */
const PASSED_AT_ONCE = 600;
/** Maximum passed blocks deleted of one subscription. */
const PASSED_MAX = 50;
/** A retry that splits a block makes three of one. More blocks are deleted, so that they become fewer. */
const NEW_PER_RETRY = 2;
/** Blocks deleted in one statement. SQLite searches for each of them. */
const DELETED_AT_ONCE = 128;

/** The slot in which a retry is due. */
export type WantedSlot = { readonly subscriptionId: SubscriptionId; readonly slot: number };

/** Blocks of a subscription, as far as they were read. */
type ReadBlocks = {
  /** In the order of their slots. The caller changes them. */
  readonly blocks: Block[];
  /** Returns up to which slot all blocks were read, from a slot that was asked for. */
  knownTo(slot: number): number;
};

export type ReadSlots = {
  of(id: SubscriptionId): ReadBlocks | undefined;
  /** The rows as they are in the database. */
  readonly rows: ReadonlyMap<SubscriptionId, ReadonlyMap<number, Readonly<Block>>>;
};

type Row = {
  arm: number;
  subscription_id: SubscriptionId;
  slot: number;
  last_slot: number;
  taken: number;
  taken_before: number;
};

/**
 * Reads the blocks that retries of these subscriptions may need, in one statement, and some that have passed.
 * The transaction holds the subscriptions' lines, under which alone blocks change.
 *
 * @param passed slots before this one have passed
 */
export async function readSlots(tx: Tx, wanted: readonly WantedSlot[], passed: number): Promise<ReadSlots> {
  const counts = new Map<SubscriptionId, Map<number, number>>();
  for (const { subscriptionId, slot } of wanted) {
    const ofSubscription = counts.get(subscriptionId) ?? new Map<number, number>();
    counts.set(subscriptionId, ofSubscription.set(slot, (ofSubscription.get(slot) ?? 0) + 1));
  }
  const dues = [...counts].flatMap(([id, slots]) => [...slots].map(([slot, count]) => ({ id, slot, count })));
  const ahead = Math.min(AHEAD_MAX, Math.floor(AHEAD_AT_ONCE / dues.length));
  const asked = dues.map((due) => ({ ...due, limit: ahead + due.count }));
  const behind = Math.min(PASSED_MAX, Math.floor(PASSED_AT_ONCE / counts.size));
  const before = [...counts].map(([id, slots]) => {
    const count = [...slots.values()].reduce((sum, n) => sum + n, 0);
    return { id, before: Math.min(passed, ...slots.keys()), limit: behind + NEW_PER_RETRY * count };
  });
  // Padding gives one text for several numbers of slots. The last one is repeated with a limit of 0.
  const arms = [
    ...padded(asked).map((due, i) => lastBlockTo(i, due, i < asked.length ? 1 : 0)),
    ...padded(asked).map((due, i) => blocksAfter(i, due, i < asked.length ? due.limit : 0)),
    ...padded(before).map((of, i) => passedBlocks(of, i < before.length ? of.limit : 0)),
  ];
  const { rows } = await sql<Row>`${sql.join(arms, sql` union all `)}`.execute(tx);

  const found = new Map<SubscriptionId, Map<number, Block>>([...counts.keys()].map((id) => [id, new Map()]));
  for (const row of rows) found.get(row.subscription_id)?.set(row.slot, blockOf(row));
  const byArm = Map.groupBy(rows, ({ arm }) => arm);
  const stretches = asked.map(({ id, slot, limit }, i) => stretchOf(id, slot, limit, byArm.get(i) ?? []));
  const read = new Map(
    before.map(({ id, before: first }) => {
      const blocks = [...(found.get(id)?.values() ?? [])]
        .filter(({ lastSlot }) => lastSlot >= first)
        .sort((a, b) => a.slot - b.slot)
        .map((block) => ({ ...block }));
      const known = joined(stretches.filter((stretch) => stretch.id === id));
      return [id, { blocks, knownTo: (slot: number) => known.get(slot) ?? slot }];
    }),
  );
  return { rows: found, of: (id) => read.get(id) };
}

/** The slots between which all blocks were read, for the slot in which a retry is due. */
type Stretch = {
  readonly id: SubscriptionId;
  readonly slot: number;
  readonly from: number;
  readonly to: number;
};

function stretchOf(id: SubscriptionId, slot: number, limit: number, rows: readonly Row[]): Stretch {
  const before = rows.find((row) => row.slot <= slot);
  const after = rows.filter((row) => row.slot > slot).map((row) => blockOf(row).lastSlot);
  return {
    id,
    slot,
    // Without a block up to the slot, there is none before it either.
    from: before?.slot ?? 0,
    to: after.length < limit ? Number.POSITIVE_INFINITY : Math.max(...after),
  };
}

/** Returns up to where all is known from each slot: a stretch goes on with those that begin within it. */
function joined(stretches: readonly Stretch[]): Map<number, number> {
  const known = new Map<number, number>();
  let next: { from: number; to: number } | undefined;
  for (const { slot, from, to } of stretches.toSorted((a, b) => b.slot - a.slot)) {
    const goesOn = next !== undefined && next.from <= to + 1;
    next = { from, to: goesOn ? Math.max(to, next?.to ?? to) : to };
    known.set(slot, next.to);
  }
  return known;
}

/** Returns a query for the block with a slot, or the last one before it. */
function lastBlockTo(arm: number, { id, slot }: { id: SubscriptionId; slot: number }, limit: number) {
  return sql`select * from (
    select ${arm} as arm, subscription_id, slot, last_slot, taken, taken_before from turn_slots
    where subscription_id = ${id} and slot <= ${slot}
    order by slot desc limit ${limit}
  ) as last_to`;
}

/** Returns a query for the first blocks that begin after a slot. */
function blocksAfter(arm: number, { id, slot }: { id: SubscriptionId; slot: number }, limit: number) {
  return sql`select * from (
    select ${arm} as arm, subscription_id, slot, last_slot, taken, taken_before from turn_slots
    where subscription_id = ${id} and slot > ${slot}
    order by slot limit ${limit}
  ) as after`;
}

/** Returns a query for the first blocks, of which some may end later. */
function passedBlocks({ id, before }: { id: SubscriptionId; before: number }, limit: number) {
  return sql`select * from (
    select -1 as arm, subscription_id, slot, last_slot, taken, taken_before from turn_slots
    where subscription_id = ${id} and slot < ${before}
    order by slot limit ${limit}
  ) as passed`;
}

function blockOf({ slot, last_slot: lastSlot, taken, taken_before: takenBefore }: Row): Block {
  return { slot, lastSlot: Math.max(slot, lastSlot), taken, takenBefore };
}

/** Writes the blocks that were changed, and deletes those that have passed or were joined to others. */
export async function writeSlots(
  tx: Tx,
  { rows, of }: ReadSlots,
  lines: ReadonlyMap<SubscriptionId, Turns>,
): Promise<void> {
  const gone: { id: SubscriptionId; slot: number }[] = [];
  const written: (Block & { id: SubscriptionId })[] = [];
  for (const [id, before] of rows) {
    const after = new Map(of(id)?.blocks.map((block) => [block.slot, block]));
    for (const [slot, block] of before) if (!isSame(block, after.get(slot))) gone.push({ id, slot });
    for (const [slot, block] of after) if (!isSame(block, before.get(slot))) written.push({ ...block, id });
  }
  for (let from = 0; from < gone.length; from += DELETED_AT_ONCE) {
    const keys = padded(gone.slice(from, from + DELETED_AT_ONCE)).map(
      ({ id, slot }) => sql`(subscription_id = ${id} and slot = ${slot})`,
    );
    await sql`delete from turn_slots where ${sql.join(keys, sql` or `)}`.execute(tx);
  }
  const values = written.map(({ id, slot, lastSlot, taken, takenBefore }) => ({
    subscription_id: id,
    account_id: lines.get(id)?.accountId as Turns["accountId"],
    slot,
    last_slot: lastSlot,
    taken,
    taken_before: takenBefore,
  }));
  await insertRows(tx, "turn_slots", values);
}

function isSame(one: Readonly<Block>, other: Readonly<Block> | undefined): boolean {
  return (
    one.lastSlot === other?.lastSlot && one.taken === other.taken && one.takenBefore === other.takenBefore
  );
}
