import { setImmediate as nextTurn } from "node:timers/promises";
import type { AccountId, EventId } from "@posthaste/domain";
import { createGroupCommit } from "../database/group-commit.ts";
import { requestBody } from "./request-body.ts";

/** An event whose snapshot is too large to be read with the rows of its deliveries. */
export type LargeEvent = {
  readonly id: EventId;
  readonly accountId: AccountId;
  /** The length of its snapshot. */
  readonly bytes: number;
};

export type LargeBodiesOptions = {
  /** Reads snapshots, by the ids of their events. Leaves out events that do not exist. */
  readonly read: (ids: readonly EventId[]) => Promise<ReadonlyMap<EventId, Uint8Array>>;
  /** See `GroupCommitOptions`. */
  readonly splits: (error: unknown) => boolean;
};

/**
 * Bytes of snapshots per statement: as many as one may have. SQLite reads a mebibyte within some
 * milliseconds, and the process does nothing else meanwhile.
 */
const READ_BYTES_MAX = 1024 * 1024;
/** Maximum snapshots per statement. */
const READ_AT_ONCE = 50;

/**
 * Creates a function that returns the body of a large event's requests; undefined: the event does not exist.
 *
 * Statements are small, and accounts take turns: a large event of one waits for at most one statement of each
 * other. A body exists once, however many deliveries of its event are under way: who asks for it while it is
 * being read or sent gets the same bytes. Nothing keeps it after that, so no erased event stays in memory.
 * Whoever asks has just found the event in the database.
 */
export function createLargeBodies({
  read,
  splits,
}: LargeBodiesOptions): (event: LargeEvent) => Promise<Uint8Array | undefined> {
  const underWay = new Map<EventId, WeakRef<Uint8Array>>();
  const collected = new FinalizationRegistry<EventId>((id) => {
    if (underWay.get(id)?.deref() === undefined) underWay.delete(id);
  });
  const beingRead = new Map<EventId, Promise<Uint8Array | undefined>>();
  const inGroup = createGroupCommit<LargeEvent, Uint8Array | undefined>({
    async commit(events) {
      const snapshots = await read(events.map(({ id }) => id));
      // SQLite answers within a turn of the event loop: many reads in a row would hold up everything else.
      await nextTurn();
      return events.map(({ id }) => {
        const snapshot = snapshots.get(id);
        // The snapshot is not kept beside the body: an attempt would hold up to 2 MiB.
        return { result: snapshot === undefined ? undefined : requestBody(snapshot) };
      });
    },
    splits,
    itemsMax: READ_AT_ONCE,
    weigh: ({ bytes }) => bytes,
    weightMax: READ_BYTES_MAX,
    ownerOf: ({ accountId }) => accountId,
  });

  const readOnce = async (event: LargeEvent) => {
    try {
      const body = await inGroup(event);
      if (body === undefined) return undefined;
      underWay.set(event.id, new WeakRef(body));
      collected.register(body, event.id);
      return body;
    } finally {
      beingRead.delete(event.id);
    }
  };
  return async (event) => {
    const body = underWay.get(event.id)?.deref();
    if (body !== undefined) return body;
    const reading = beingRead.get(event.id) ?? readOnce(event);
    beingRead.set(event.id, reading);
    return await reading;
  };
}
