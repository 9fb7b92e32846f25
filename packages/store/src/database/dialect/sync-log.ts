import { closeSync, fdatasync, openSync, realpathSync } from "node:fs";
import { promisify } from "node:util";

const sync = promisify(fdatasync);

export type LogSync = {
  /** Resolves when all that was committed before is on the disk. */
  (): Promise<void>;
  close(): void;
};

/**
 * # A commit is on the disk before it is told, without a thread that waits for the disk
 *
 * `synchronous = FULL` flushes SQLite's log within COMMIT, and so stops the whole process, requests and heartbeats, for as
 * long as the disk takes. Here SQLite only writes to its log (`synchronous = NORMAL`), and the flush is asked for right
 * after, in one of Node's own threads; a statement that ended a write is answered when the flush is done.
 *
 * Why nothing is lost: what is promised is promised after the flush. In WAL mode a commit is a frame at the end of one file, and
 * after a power cut SQLite takes the log up to the last commit that is whole: flushing the file makes what was committed
 * before durable, of every process. SQLite flushes by itself where the order of two files counts: the log before it is
 * copied into the database, the database before the log is begun anew, and a new log's header.
 *
 * What differs: until the flush is done, others on this machine may see what a power cut would take back. Whoever acts on it
 * commits first (a claim, before a request is made), and that flush, of the same file, covers what it saw.
 */
export function syncLogOf(databasePath: string): LogSync {
  let file: number | undefined;
  const syncLog = async () => {
    try {
      // It is there since the first write, and stays the same file as long as a connection is open. SQLite's locks are on
      // others, so closing it takes none away.
      file ??= openSync(`${realpathSync(databasePath)}-wal`, "r+");
      await sync(file);
    } catch (cause) {
      throw Object.assign(new Error("the log could not be flushed to the disk", { cause }), {
        code: "SQLITE_IOERR_FSYNC",
      });
    }
  };
  return Object.assign(syncLog, {
    close() {
      if (file !== undefined) closeSync(file);
    },
  });
}
