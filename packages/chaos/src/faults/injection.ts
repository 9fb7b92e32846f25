import type { Stack } from "@posthaste/stack";
import type { OwnMysqlServer, SmallDisk, TcpProxy } from "@posthaste/testkit";
import type { Fault } from "../plan.ts";
import type { Supervisor } from "./supervisor.ts";

/** Everything that faults act on. */
export type Machinery = {
  readonly stack: Stack;
  readonly supervisor: Supervisor;
  /** Undefined: the database is SQLite. */
  readonly mysql: OwnMysqlServer | undefined;
  /** Between the processes and MySQL. */
  readonly proxy: TcpProxy | undefined;
  /** Undefined: this process may not mount. */
  readonly disks: { readonly database: SmallDisk; readonly log: SmallDisk } | undefined;
  /** While this file exists, SQLite's log is not flushed. */
  readonly flushesRefusedPath: string;
};

/** Injects a fault, and resolves once it is over. */
export type Injection = (machinery: Machinery, fault: Fault) => Promise<void>;
