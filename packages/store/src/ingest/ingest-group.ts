import { createGroupCommit } from "../database/group-commit.ts";
import type { Store } from "../database/store.ts";
import { transact } from "../database/transact.ts";
import { type IngestCall, type IngestedEvent, ingestCallsIn } from "./ingest-events.ts";

/**
 * # Ingest calls commit together
 *
 * A commit costs a flush to the disk, whatever is in it, and a database that flushes for each call does nothing else. So
 * calls that come while a transaction is under way share the next one, whichever account they are of. Nothing waits for
 * company: a call that comes alone is committed alone, at once.
 *
 * Why a caller sees no difference:
 *
 * - **The answer is the commit.** A call is told its result when the transaction that holds its rows has been committed,
 *   and not before. A crash in between loses only what nobody was told.
 * - **All or none, for each call.** A call's rows are planned in memory, and join the transaction's once all of them stand. A
 *   call that is refused (a key used with other content) adds none, and its neighbours are stored.
 * - **Keys hold within a group.** A call that is planned sees the keys of those planned before it as if they were stored: the
 *   same content gets their id with `duplicate`, other content is refused. Should the transaction fail, all of them fail, and
 *   no id was told.
 * - **Keys hold between groups.** Transactions of other connections and processes may take a key after it was looked for. The
 *   insert then fails (it waits until the other has committed), the whole transaction is rolled back and run again, and is
 *   planned anew: the key is seen now. Keys are inserted in one order, so two groups that share several do not deadlock.
 * - **A call that the database cannot take fails alone.** Where a transaction fails and the database is there, its calls are
 *   committed one by one. Where it is away, all fail: trying each would only take longer.
 * - **Matching is as of ingest.** Who wants an event is read in the transaction that stores it, once for each account and event
 *   type of the group.
 *
 * What it does not promise: order between calls that overlap, also of one account.
 */
export function createIngest(store: Store): (ingest: IngestCall) => Promise<IngestedEvent[]> {
  return createGroupCommit<IngestCall, IngestedEvent[]>({
    commit: (calls) => transact(store, (tx) => ingestCallsIn(store, tx, calls, GROUP_ROWS_MAX)),
    splits: (error) => !store.seam.isAway(error),
    itemsMax: GROUP_CALLS_MAX,
    weigh: ({ events }) => events.reduce((bytes, { data }) => bytes + data.byteLength, 0),
    weightMax: GROUP_BYTES_MAX,
    groupsMax: store.seam.locksRows ? CONCURRENT_GROUPS : 1,
  });
}

/** Calls of one transaction: more do not make the flush cheaper by anything that can be measured. */
const GROUP_CALLS_MAX = 256;
/** Events and deliveries of one transaction, after which no further call joins it: what is written within some 50 ms. */
const GROUP_ROWS_MAX = 2_000;
/** Snapshots of one transaction: as much as one batch may have. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Transactions at once where several connections can write; SQLite has one writer. One, two and four were measured to be equally
 * fast: the second is there so that a group that waits for a key of another process does not hold up everybody.
 */
const CONCURRENT_GROUPS = 2;
