import type { AccountId } from "@posthaste/domain";
import { type ListByAccount, type PageByAccount, piecesInTurns } from "@posthaste/store";
import { LRUCache } from "lru-cache";
import type { createSetAside } from "./set-aside.ts";

/** One kind of work: pieces of many accounts that are independent of each other. */
export type Work<Id> = {
  /** The kind's name in log lines and metrics. */
  readonly name: string;
  /** Lists pieces account by account, in order. */
  readonly list: (page: PageByAccount<Id>) => Promise<ListByAccount<Id>>;
  /** Does one short step of a piece. */
  readonly step: (id: Id, accountId: AccountId) => Promise<Step>;
  /** The pause between two passes through all pieces, in milliseconds. */
  readonly everyMs: number;
  /** Maximum pieces in a turn, one step each. Default: {@link PIECES_AT_ONCE}. */
  readonly piecesAtOnce?: number;
};

export type Step = {
  /** The number of deliveries that were created or moved. */
  readonly moved: number;
  /** How many of these became pending. */
  readonly pending: number;
  /** Whether the next step may follow at once. */
  readonly goesOn: boolean;
};

/**
 * Pieces of one kind in a turn, one step each: enough that finding them costs less than their steps, and few
 * enough for the next kind to wait.
 */
const PIECES_AT_ONCE = 64;
/** Moved deliveries that end a kind's turn: as many as one step of a fan-out creates, in about 20 ms. */
const MOVED_PER_TURN = 500;
/**
 * Accounts whose next piece is remembered, about 100 bytes each. A forgotten account begins with its first
 * piece again.
 */
const ACCOUNTS_MAX = 10_000;

/** Where an account's next step is, and the last pass in which all of its pieces had a step. */
type Lap<Id> = { readonly after: Id | undefined; readonly doneIn: number };

/**
 * Creates a function that takes one turn of a kind of work: some steps, account by account.
 *
 * A turn continues where the last one ended, in sweeps over the accounts that have pieces. In each sweep an
 * account gets one step before any gets its second. A sweep that one turn completes shares all of the turn's
 * steps equally. An account's pieces take turns from sweep to sweep. So however many pieces others have, an
 * account of N that have some gets its next step within N steps of others, or within one turn.
 *
 * A pass is over when every piece had a step. Accounts with few pieces get further steps meanwhile.
 */
export function createAccountTurns<Id>(
  { name, list, step, everyMs, piecesAtOnce: limit = PIECES_AT_ONCE }: Work<Id>,
  { now, setAside }: { now: () => number; setAside: ReturnType<typeof createSetAside> },
): () => Promise<Step> {
  const laps = new LRUCache<AccountId, Lap<Id>>({ max: ACCOUNTS_MAX });
  let afterAccount: AccountId | undefined;
  /** An account of this sweep has pieces that had no step in this pass. */
  let hasLeft = false;
  let pass = 1;
  let nextPassAt = 0;
  let isBetweenPasses = true;

  /** Notes how many of an account's listed pieces had a step. */
  const noteSteps = ({ accountId, ids, isAll }: ListByAccount<Id>["accounts"][number], count: number) => {
    const lap = laps.get(accountId) ?? { after: undefined, doneIn: 0 };
    if (isAll && count === ids.length) laps.set(accountId, { after: undefined, doneIn: pass });
    else {
      laps.set(accountId, { ...lap, after: count === 0 ? lap.after : ids[count - 1] });
      if (lap.doneIn !== pass) hasLeft = true;
    }
  };
  /** Notes that the accounts up to this one had their part of the sweep. */
  const goOnAfter = (accountId: AccountId | undefined, isSweepOver: boolean) => {
    afterAccount = isSweepOver ? undefined : accountId;
    isBetweenPasses = isSweepOver && !hasLeft;
    if (isSweepOver) hasLeft = false;
    if (!isBetweenPasses) return;
    pass += 1;
    nextPassAt = now() + everyMs;
  };

  return async () => {
    if (isBetweenPasses && now() < nextPassAt) return { moved: 0, pending: 0, goesOn: false };
    const page = { afterAccount, afterOf: (id: AccountId) => laps.get(id)?.after, limit };
    const found = (await setAside(name, () => list(page))) ?? { accounts: [], isLast: true };
    const counts = new Map<AccountId, number>();
    let moved = 0;
    let pending = 0;
    let goesOn = false;
    for (const { accountId, id } of piecesInTurns(found)) {
      if (moved >= MOVED_PER_TURN) break;
      const result = await setAside(`${name} ${id}`, () => step(id, accountId));
      counts.set(accountId, (counts.get(accountId) ?? 0) + 1);
      moved += result?.moved ?? 0;
      pending += result?.pending ?? 0;
      if (result?.goesOn === true) goesOn = true;
    }
    const { accounts, isLast } = found;
    const firstLeft = accounts.findIndex(({ accountId, ids }) => ids.length > 0 && !counts.has(accountId));
    const had = firstLeft < 0 ? accounts : accounts.slice(0, firstLeft);
    for (const one of had) noteSteps(one, counts.get(one.accountId) ?? 0);
    goOnAfter(had.at(-1)?.accountId, isLast && had.length === accounts.length);
    return { moved, pending, goesOn: goesOn || !isBetweenPasses };
  };
}
