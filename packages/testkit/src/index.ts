export { countComputing } from "./computing.ts";
export { type ConnectProxy, startConnectProxy } from "./connect-proxy.ts";
export {
  countRows,
  type DiskUse,
  listStatements,
  measureDisk,
  measureReads,
  type Reads,
  type RowCounts,
} from "./database-measures.ts";
export { findProgram } from "./debian.ts";
export { fuzzing } from "./fuzzing.ts";
export { keepDeleted, readAll } from "./keep-deleted.ts";
export { linkMysqlClients } from "./mysql-clients.ts";
export { type OwnMysqlServer, startOwnMysql } from "./mysql-server.ts";
export { failedAttempt, loadForAttempt, recordAttempt } from "./one-attempt.ts";
export { poison } from "./poison.ts";
export { answersOk, poll, until } from "./poll.ts";
export { accepts, freePort, isFree } from "./ports.ts";
export { type Random, randomFor } from "./random.ts";
export type { Behaviour } from "./receiver/behaviour.ts";
export {
  type Certificate,
  certificateFor,
  certificateForClients,
  expiredCertificateFor,
} from "./receiver/certificate.ts";
export {
  type Answer,
  type ReceivedRequest,
  type Receiver,
  type ReceiverOptions,
  refusedUrl,
  startReceiver,
} from "./receiver/receiver.ts";
export { mountSmallDisk, type SmallDisk } from "./small-disk.ts";
export { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
export {
  countWaiting,
  createEmptyStore,
  createTestStore,
  lockWrites,
  markLater,
  refuseMarks,
  runStatement,
  TEST_SECRET_KEYS,
  type TestStore,
  whileLocked,
} from "./test-store.ts";
export { textTable } from "./text-table.ts";
export { timesIn } from "./times-in.ts";
export { chromiumPath, promtoolPath } from "./tools.ts";
