import { closeSync, fdatasync, fstatSync, openSync, realpathSync, write } from "node:fs";
import { promisify } from "node:util";
import { rewriteLog } from "./rewrite-log.ts";

/** What the log asks of the disk. Tests put a disk here that fails. */
export type LogDisk = {
  /** Writes bytes at a position of a file. */
  readonly write: (file: number, bytes: Uint8Array, position: number) => Promise<unknown>;
  /** Resolves when everything that was written to a file is on the disk. */
  readonly flush: (file: number) => Promise<void>;
};

const DISK: LogDisk = {
  write: async (file, bytes, position) => await promisify(write)(file, bytes, 0, bytes.byteLength, position),
  flush: promisify(fdatasync),
};

export type LogSync = {
  /** Resolves when every earlier commit is on the disk. If it fails, the log is no longer sound. */
  flush(): Promise<void>;
  /** Whether a flush makes every earlier commit durable. False for a log that was just opened. */
  isSound(): boolean;
  /** Whether there is nothing in the log. An empty log is sound. */
  isEmpty(): boolean;
  /**
   * Makes the log sound. The caller holds SQLite's write lock.
   *
   * @throws Error if the disk still fails, or the log is damaged
   */
  makeSound(): Promise<void>;
  /** Whether a flush failed, and the log is not sound again. */
  hasFailed(): boolean;
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
 *
 * # After a flush that failed
 *
 * Linux reports a failed flush once, and then takes the pages that it could not write for written. The next
 * flush succeeds and proves nothing: the log has a hole on the disk, and after a power cut SQLite reads no
 * further than the hole. So nothing is read or written any more until the log is sound again: until all of it
 * was written once more, which makes its pages dirty, and then flushed. See `rewrite-log.ts`.
 *
 * A checkpoint would not do. It begins with a flush of the log, which proves nothing, and then copies pages
 * into the database that the log on the disk does not have. A power cut in the midst of that would leave a
 * database with some pages of a commit and not with others, and no log to complete it.
 *
 * A log that was just opened is not sound either: the process before may have seen the failure. It costs one
 * flush at start. From then on the process has the file open, and is told of every failure itself.
 */
export function syncLogOf(databasePath: string, disk: LogDisk = DISK): LogSync {
  let log: number | undefined;
  let index: number | undefined;
  let state: "unknown" | "sound" | "failed" = "unknown";
  const open = (end: string) => openSync(`${realpathSync(databasePath)}${end}`, "r+");
  // The file exists since the first read and stays the same while a connection is open. SQLite's locks are on
  // other files, so closing this one releases none.
  const openLog = () => (log ??= open("-wal"));
  // This file has SQLite's locks. It is never closed: that would release those that this process holds.
  const openIndex = () => (index ??= open("-shm"));
  const orFail = async (run: () => Promise<void>) => {
    try {
      await run();
    } catch (cause) {
      state = "failed";
      throw Object.assign(new Error("the log could not be flushed to the disk", { cause }), {
        code: "SQLITE_IOERR_FSYNC",
      });
    }
  };
  return {
    flush: () => orFail(async () => await disk.flush(openLog())),
    isSound: () => state === "sound",
    isEmpty: () => {
      const isEmpty = fstatSync(openLog()).size === 0;
      if (isEmpty) state = "sound";
      return isEmpty;
    },
    makeSound: () =>
      orFail(async () => {
        await rewriteLog(openLog(), openIndex(), disk.write);
        await disk.flush(openLog());
        state = "sound";
      }),
    hasFailed: () => state === "failed",
    close() {
      if (log !== undefined) closeSync(log);
    },
  };
}
