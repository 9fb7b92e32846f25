import { createGroupCommit } from "../database/group-commit.ts";
import { concernsOne } from "../database/in-parts.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { createComparing } from "./compare-contents.ts";
import type { IngestCall, IngestedEvent } from "./ingest-call.ts";
import { type IngestBounds, ingestCallsIn, UNBOUNDED } from "./ingest-events.ts";
import { type Planned, TOO_WIDE } from "./plan-ingest.ts";

/**
 * # Ingest calls commit together
 *
 * A commit costs a disk flush, whatever it contains, and a database that flushes for each call does little
 * else. Calls that arrive while a transaction is in flight therefore share the next one, whichever accounts
 * they belong to. Nothing waits for company: a call that arrives alone is committed alone, at once.
 *
 * A caller sees no difference:
 *
 * - **The answer is the commit.** A call gets its result when the transaction with its rows has been
 *   committed, not before. A crash in between loses only events that no caller was told about.
 * - **All or none, for each call.** The rows of a call are planned in memory and join the transaction's rows
 *   once the plan is complete. A refused call (a key used with different content) adds none, and its
 *   neighbours are stored.
 * - **Keys hold within a group.** The plan of a call sees the keys of earlier calls as if they were stored.
 *   The same bytes get their event's id with `duplicate`. If the transaction fails, all of these calls fail,
 *   and no caller has received an id.
 * - **Keys hold between groups.** A transaction of another connection or process may take a key after it was
 *   looked up. The insert waits until the other transaction has committed, and then fails. The whole
 *   transaction is rolled back and runs again with a new plan, which sees the key. Keys are inserted in one
 *   order, so two groups that share several keys do not deadlock.
 * - **Nobody waits for another's row.** A transaction of a suspended process may hold a key, or an account,
 *   for a minute. Calls that need it are set aside, and the others are stored. They are tried again until the
 *   row is free or ten seconds have passed; then they fail, and may be repeated.
 * - **A call that the database rejects fails alone.** If a transaction fails and the database is available,
 *   its calls are committed one by one. If the database is unavailable, all fail: trying each would only take
 *   longer.
 * - **A wide call holds up nobody else's.** How many rows a call has is known once its events are matched. A
 *   call with more than {@link NARROW_ROWS_MAX} leaves its group with nothing stored, and gets a transaction
 *   of its own. One of those is in flight at a time, while groups go on beside it. (SQLite has one writer,
 *   which takes them in turns.) If more calls wait than fit, accounts take turns, too.
 * - **No content is compared in a transaction.** A call whose key was used with other bytes leaves its group
 *   with nothing stored. Its contents are compared in its account's turns, and then it comes again; see
 *   `compare-contents.ts`.
 * - **Matching is as of ingest.** The transaction that stores an event also reads which subscriptions want
 *   it, once for each account and event type of the group.
 *
 * Not promised: an order between overlapping calls, even of one account.
 */
export function createIngest(store: Store): (ingest: IngestCall) => Promise<IngestedEvent[]> {
  const splits = (error: unknown) => concernsOne(store, error);
  const ownerOf = ({ accountId, chargedTo = accountId }: IngestCall) => chargedTo;
  const committing = (bounds: IngestBounds) => async (calls: readonly IngestCall[]) => {
    const heldKeys = new Set<string>();
    return await transact(store, (tx) => ingestCallsIn(store, tx, calls, bounds, heldKeys));
  };
  const narrow = createGroupCommit<IngestCall, Planned>({
    commit: committing({ rowsMax: GROUP_ROWS_MAX, callRowsMax: NARROW_ROWS_MAX }),
    splits,
    ownerOf,
    itemsMax: GROUP_CALLS_MAX,
    weigh: ({ events }) => events.reduce((bytes, { data }) => bytes + data.byteLength, 0),
    weightMax: GROUP_BYTES_MAX,
    groupsMax: store.seam.locksRows ? CONCURRENT_GROUPS : 1,
  });
  const wide = createGroupCommit<IngestCall, Planned>({
    commit: committing(UNBOUNDED),
    // One at a time: its rows cost far more than the flush that it could share.
    itemsMax: 1,
    splits,
    ownerOf,
  });
  const ingestOnce = async (call: IngestCall) => {
    for (const group of call.events.length > NARROW_ROWS_MAX ? [wide] : [narrow, wide]) {
      const ingested = await group(call);
      if (ingested !== TOO_WIDE) return ingested;
    }
    throw new Error("an ingest call without a bound was too wide");
  };
  const comparing = createComparing(store);
  return async (call) => await comparing(call, ingestOnce);
}

/** Maximum calls per transaction. More do not make the flush measurably cheaper. */
const GROUP_CALLS_MAX = 256;
/**
 * Events and deliveries in a transaction after which no further call joins it (two rows of keys count as
 * one): as many as are written in about 50 ms.
 */
const GROUP_ROWS_MAX = 1_000;
/**
 * Maximum of such rows of a call that shares its transaction with others: a quarter of a group, so that no
 * call fills one.
 */
const NARROW_ROWS_MAX = 250;
/** Maximum bytes of snapshots per transaction: as many as one batch may have. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Concurrent groups on a database with several writers; SQLite has one. One, two and four were measured to be
 * equally fast. The second lets other calls proceed while one group waits for a key that another process has
 * taken since it was looked up.
 */
const CONCURRENT_GROUPS = 2;
