import { closeSync, fdatasync, openSync, realpathSync } from "node:fs";
import { promisify } from "node:util";

const sync = promisify(fdatasync);

export type LogSync = {
  /** Resolves when every earlier commit is on the disk. */
  (): Promise<void>;
  close(): void;
};

/**
 * # A commit is on the disk before its caller gets the answer, and the process does not wait for the disk
 *
 * `synchronous = FULL` flushes SQLite's log within COMMIT. This stops the whole process, requests and
 * heartbeats included, for as long as the disk takes. With `synchronous = NORMAL`, SQLite only writes to its
 * log. The flush follows at once, on one of Node's own threads, and a statement that ended a write is
 * answered when the flush is done.
 *
 * Why nothing is lost: every promise is made after the flush. In WAL mode a commit is a frame at the end of
 * one file, and after a power cut SQLite reads the log up to the last complete commit. Flushing the file
 * therefore makes all earlier commits durable, of every process. SQLite itself flushes wherever the order of
 * two files counts: the log before it is copied into the database, the database before the log starts over,
 * and a new log's header.
 *
 * What differs: until the flush is done, other connections on this machine may see data that a power cut
 * would take back. A process that acts on such data commits first (a claim, before a request is sent). That
 * commit flushes the same file, and with it the data that the process saw.
 */
export function syncLogOf(databasePath: string): LogSync {
  let file: number | undefined;
  const syncLog = async () => {
    try {
      // The file exists since the first write and stays the same while a connection is open. SQLite's locks
      // are on other files, so closing this one releases none.
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
