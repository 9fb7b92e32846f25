import type { EventId, SubscriptionId } from "@posthaste/domain";
import type { Log } from "@posthaste/runtime";
import {
  continueFanout,
  drainStrays,
  drainSubscription,
  listDraining,
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
  /** Deliveries became pending. */
  readonly onPending: () => void;
  /** A piece of this work failed, and was set aside for a while. */
  readonly onSetAside?: (work: UpkeepWork) => void;
  /** How often it looks for parked deliveries that nobody drains. */
  readonly straysIntervalMs: number;
};

export type Upkeep = {
  /** Makes one round; see {@link createUpkeep}. */
  round(): Promise<"more" | "done">;
  /** A drain is under way, whose next deliveries follow as those before them are sent. */
  isDraining(): boolean;
};

/** What upkeep consists of: pieces of work that have nothing to do with each other. */
type Work<Id> = {
  /** What the log and the metric call it. */
  readonly name: UpkeepWork;
  /** Its pieces in their order, those after one, up to {@link PIECES_AT_ONCE}. */
  readonly list: (after: Id | undefined) => Promise<Id[]>;
  /** One step of a piece, short. */
  readonly step: (id: Id) => Promise<Step>;
  /** How long after the end of the list it begins anew. */
  readonly everyMs: number;
};

type Step = {
  /** Deliveries that became pending. */
  readonly pending: number;
  /** The next step may be made at once. */
  readonly goesOn: boolean;
};

export type UpkeepWork = "fan_out" | "drain" | "strays";

const NOTHING: Step = { pending: 0, goesOn: false };

/** Pieces of each kind in one round, a step each, before the other kinds have their turn. */
const PIECES_AT_ONCE = 64;
/** Deliveries after which a kind's turn is over: as many as one step of a fan-out makes, some 20 ms. */
const PENDING_PER_TURN = 500;
/**
 * Subscriptions looked at in one step of a fan-out: a step is a transaction of some milliseconds, which
 * claims wait for.
 */
const FAN_OUT_PER_STEP = 500;

/**
 * Makes the round of upkeep: what keeps the tables right without anybody waiting for it. It finishes wide
 * fan-outs, goes on with drains, and finds parked deliveries that nobody drains.
 *
 * It has a loop of its own, so that nothing here stands before a claim. Pieces take turns, and one that
 * throws is set aside with growing patience and counted, while the rest go on.
 */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { store, log, now, onPending, onSetAside, straysIntervalMs } = options;
  let isDraining = false;
  const limit = PIECES_AT_ONCE;
  const setAside = createSetAside({
    now,
    // The error alone does not tell: a piece whose statement is too slow, or whose lock is never had, says
    // "away", too.
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
          return { pending: made, goesOn };
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
        // It goes on as what is pending is sent.
        step: async (id) => ({
          pending: await drainSubscription(store, { id, now: now() }),
          goesOn: false,
        }),
      },
      { now, setAside },
    ),
    rotation<SubscriptionId>(
      {
        name: "strays",
        everyMs: straysIntervalMs,
        list: (after) => listParked(store, { after, limit }),
        step: async (id) => {
          await drainStrays(store, id);
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

/** Goes round the pieces of one kind, some in each turn, so that every one has its own. */
function rotation<Id>(
  { name, list, step, everyMs }: Work<Id>,
  { now, setAside }: { now: () => number; setAside: ReturnType<typeof createSetAside> },
): () => Promise<Step> {
  let after: Id | undefined;
  let beginsAt = 0;
  return async () => {
    if (after === undefined && now() < beginsAt) return NOTHING;
    const ids = (await setAside(name, () => list(after))) ?? [];
    let pending = 0;
    let goesOn = false;
    let isCut = false;
    for (const id of ids) {
      const made = (await setAside(`${name} ${id}`, () => step(id))) ?? NOTHING;
      pending += made.pending;
      if (made.goesOn) goesOn = true;
      after = id;
      isCut = pending >= PENDING_PER_TURN && id !== ids.at(-1);
      if (isCut) break;
    }
    if (!isCut && ids.length < PIECES_AT_ONCE) after = undefined;
    if (after === undefined) beginsAt = now() + everyMs;
    return { pending, goesOn: goesOn || after !== undefined };
  };
}
