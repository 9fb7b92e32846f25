import type { EventId, SubscriptionId } from "@posthaste/domain";
import { isoTime, type Log } from "@posthaste/runtime";
import {
  adoptStrays,
  continueFanout,
  drainSubscription,
  finishEnd,
  isDatabaseAway,
  listDraining,
  listEnding,
  listFanouts,
  listParked,
  type Store,
} from "@posthaste/store";
import { createAccountTurns } from "./account-turns.ts";
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

/** The kinds of upkeep: the label `work` of log lines and metrics. */
export const UPKEEP_WORK = ["fan_out", "drain", "end", "strays"] as const;
export type UpkeepWork = (typeof UPKEEP_WORK)[number];

/**
 * Subscriptions in one step of a fan-out. A step is a transaction of some milliseconds that claims wait for.
 */
const FAN_OUT_PER_STEP = 500;

/**
 * Creates the round of upkeep, the work on the tables that no caller waits for. A round finishes wide
 * fan-outs, continues drains, finishes the ends of subscriptions, and finds parked deliveries that neither a
 * drain nor an end looks after.
 *
 * Upkeep has its own loop, so it never delays a claim. Accounts take turns, and each account's pieces; see
 * {@link createAccountTurns}. A piece that throws is set aside for a growing time and counted, and the others
 * continue.
 */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { store, log, now, onPending, onSetAside, straysIntervalMs } = options;
  let isDraining = false;
  const setAside = createSetAside({
    now,
    isEverybodys: (error) => isDatabaseAway(store, error),
    onSetAside: (key, error, { failures, untilMs }) => {
      const [work, piece] = key.split(" ");
      log.error("upkeep.set_aside", error, { work, piece, failures, until: isoTime(untilMs) });
      onSetAside?.(work as UpkeepWork);
    },
  });
  const rotations = [
    createAccountTurns<EventId>(
      {
        name: "fan_out",
        everyMs: 0,
        list: (page) => listFanouts(store, page),
        step: async (eventId) => {
          const options = { eventId, now: now(), deliveriesMax: FAN_OUT_PER_STEP };
          const { made, goesOn } = await continueFanout(store, options);
          return { moved: made, pending: made, goesOn };
        },
      },
      { now, setAside },
    ),
    createAccountTurns<SubscriptionId>(
      {
        name: "drain",
        everyMs: 0,
        list: async (page) => {
          const list = await listDraining(store, page);
          if (page.afterAccount === undefined) isDraining = list.accounts.length > 0;
          return list;
        },
        // No next step at once: a drain continues as its pending deliveries are sent.
        step: async (id) => {
          const pending = await drainSubscription(store, { id, now: now() });
          return { moved: pending, pending, goesOn: false };
        },
      },
      { now, setAside },
    ),
    createAccountTurns<SubscriptionId>(
      {
        name: "end",
        everyMs: 0,
        list: (page) => listEnding(store, page),
        step: async (id) => ({ pending: 0, ...(await finishEnd(store, { id, now: now() })) }),
      },
      { now, setAside },
    ),
    createAccountTurns<SubscriptionId>(
      {
        name: "strays",
        everyMs: straysIntervalMs,
        list: (page) => listParked(store, page),
        step: async (id) => {
          await adoptStrays(store, id);
          return { moved: 0, pending: 0, goesOn: false };
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
