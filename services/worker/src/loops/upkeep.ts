import type { EventId, SubscriptionId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  adoptStrays,
  continueFanout,
  drainSubscription,
  finishEnd,
  listDraining,
  listEnding,
  listFanouts,
  listParked,
  pingStore,
  type Store,
} from "@posthaste/store";
import { createSetAside } from "./set-aside.ts";

export type UpkeepOptions = {
  readonly store: Store;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called when a round makes deliveries pending. */
  readonly onPending: () => void;
  /** Called when a piece of upkeep fails and is set aside. */
  readonly onSetAside?: (work: UpkeepWork) => void;
  /** The pause between searches for parked deliveries that nobody looks after, in milliseconds. */
  readonly straysIntervalMs: number;
};

export type Upkeep = {
  /** Runs one round; see {@link createUpkeep}. */
  round(): Promise<"more" | "done">;
  /**
   * Returns whether a drain is in progress. Its next deliveries become pending as earlier
   * deliveries are sent.
   */
  isDraining(): boolean;
};

/** One kind of upkeep: a list of pieces that are independent of each other. */
type Work<Id> = {
  /** The kind's name in log lines and metrics. */
  readonly name: UpkeepWork;
  /** Lists pieces in order, from the one after `after`, up to {@link PIECES_AT_ONCE}. */
  readonly list: (after: Id | undefined) => Promise<Id[]>;
  /** Does one short step of a piece. */
  readonly step: (id: Id) => Promise<Step>;
  /** The pause between two passes through the list, in milliseconds. */
  readonly everyMs: number;
};

type Step = {
  /** The number of deliveries that were created or moved. */
  readonly moved: number;
  /** How many of these became pending. */
  readonly pending: number;
  /** Whether the next step may follow at once. */
  readonly goesOn: boolean;
};

export type UpkeepWork = "fan_out" | "drain" | "end" | "strays";

const NOTHING: Step = { moved: 0, pending: 0, goesOn: false };

/** The maximum number of pieces of one kind in a round, one step each, before the next kind's turn. */
const PIECES_AT_ONCE = 64;
/** Moved deliveries that end a kind's turn: as many as one step of a fan-out creates, in about 20 ms. */
const MOVED_PER_TURN = 500;
/**
 * Subscriptions in one step of a fan-out. A step is a transaction of some milliseconds that claims wait for.
 */
const FAN_OUT_PER_STEP = 500;

/**
 * Creates the round of upkeep, the work on the tables that no caller waits for. A round finishes wide
 * fan-outs, continues drains, finishes the ends of subscriptions, and finds parked deliveries that neither a
 * drain nor an end looks after.
 *
 * Upkeep has its own loop, so it never delays a claim. Pieces take turns. A piece that throws is set aside
 * for a growing time and counted, and the others continue.
 */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { store, log, now, onPending, onSetAside, straysIntervalMs } = options;
  let isDraining = false;
  const limit = PIECES_AT_ONCE;
  const setAside = createSetAside({
    now,
    // The error alone is ambiguous: a statement that is too slow, or waits too long for a lock, also reports
    // that the database is unavailable.
    isEverybodys: async () => !(await answers(store)),
    onSetAside: (key, error, { failures, untilMs }) => {
      const [work, piece] = key.split(" ");
      log.error("upkeep.set_aside", error, { work, piece, failures, untilMs });
      onSetAside?.(work as UpkeepWork);
    },
  });
  const rotations = [
    rotation<EventId>(
      {
        name: "fan_out",
        everyMs: 0,
        list: (after) => listFanouts(store, { after, limit }),
        step: async (eventId) => {
          const options = { eventId, now: now(), deliveriesMax: FAN_OUT_PER_STEP };
          const { made, goesOn } = await continueFanout(store, options);
          return { moved: made, pending: made, goesOn };
        },
      },
      { now, setAside },
    ),
    rotation<SubscriptionId>(
      {
        name: "drain",
        everyMs: 0,
        list: async (after) => {
          const ids = await listDraining(store, { after, limit });
          if (after === undefined) isDraining = ids.length > 0;
          return ids;
        },
        // No next step at once: a drain continues as its pending deliveries are sent.
        step: async (id) => {
          const pending = await drainSubscription(store, { id, now: now() });
          return { moved: pending, pending, goesOn: false };
        },
      },
      { now, setAside },
    ),
    rotation<SubscriptionId>(
      {
        name: "end",
        everyMs: 0,
        list: (after) => listEnding(store, { after, limit }),
        step: async (id) => ({ pending: 0, ...(await finishEnd(store, { id, now: now() })) }),
      },
      { now, setAside },
    ),
    rotation<SubscriptionId>(
      {
        name: "strays",
        everyMs: straysIntervalMs,
        list: (after) => listParked(store, { after, limit }),
        step: async (id) => {
          await adoptStrays(store, id);
          return NOTHING;
        },
      },
      { now, setAside },
    ),
  ];
  return {
    isDraining: () => isDraining,
    async round() {
      let hasMore = false;
      for (const turn of rotations) {
        const { pending, goesOn } = await turn();
        if (pending > 0) onPending();
        if (goesOn) hasMore = true;
      }
      return hasMore ? "more" : "done";
    },
  };
}

async function answers(store: Store): Promise<boolean> {
  return await pingStore(store).then(
    () => true,
    () => false,
  );
}

/** Creates a function that steps through the pieces of one kind, some in each turn, until all had a step. */
function rotation<Id>(
  { name, list, step, everyMs }: Work<Id>,
  { now, setAside }: { now: () => number; setAside: ReturnType<typeof createSetAside> },
): () => Promise<Step> {
  let after: Id | undefined;
  let nextPassAt = 0;
  return async () => {
    if (after === undefined && now() < nextPassAt) return NOTHING;
    const ids = (await setAside(name, () => list(after))) ?? [];
    let moved = 0;
    let pending = 0;
    let goesOn = false;
    let isCut = false;
    for (const id of ids) {
      const result = (await setAside(`${name} ${id}`, () => step(id))) ?? NOTHING;
      moved += result.moved;
      pending += result.pending;
      if (result.goesOn) goesOn = true;
      after = id;
      isCut = moved >= MOVED_PER_TURN && id !== ids.at(-1);
      if (isCut) break;
    }
    if (!isCut && ids.length < PIECES_AT_ONCE) after = undefined;
    if (after === undefined) nextPassAt = now() + everyMs;
    return { moved, pending, goesOn: goesOn || after !== undefined };
  };
}
