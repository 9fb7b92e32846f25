import { type Stack, type StackOptions, startStack } from "@posthaste/stack";
import { type OwnMysqlServer, startOwnMysql } from "@posthaste/testkit";
import type { MeasuredProcess } from "./measure/meter.ts";
import { type BenchReceiver, startBenchReceiver } from "./receiver/receiver.ts";
import type { Database, Lane } from "./report/results.ts";
import { type BareDatabase, openBareDatabase } from "./yardsticks/bare-database.ts";
import { createYardsticks, type Yardsticks } from "./yardsticks/yardsticks.ts";

/**
 * The environment of one scenario. Each scenario gets a new one, without memory or rows of earlier scenarios.
 */
export type Room = {
  readonly database: Database;
  readonly lane: Lane;
  readonly stack: Stack;
  readonly receiver: BenchReceiver;
  readonly yardsticks: Yardsticks;
  /** The database's version and its durable settings. */
  readonly databaseSettings: string;
  readonly processes: readonly MeasuredProcess[];
  close(): Promise<void>;
};

export type RoomOptions = {
  readonly database: Database;
  readonly lane: Lane;
  /** Default: 1. */
  readonly workers?: number;
  /** How long a yardstick runs in each turn. */
  readonly yardstickSeconds: number;
  /** Further settings of the services, which override the room's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments for Node, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
};

/** Lifts the limits per token and per account, which would otherwise be what is measured. */
const UNLIMITED = {
  POSTHASTE_RATE_PER_SECOND: "1000000",
  POSTHASTE_ACCOUNT_CHANGES_MB_PER_DAY: "1000000",
  POSTHASTE_SUBSCRIPTIONS_MAX: "100000",
};

/**
 * Starts everything that a scenario needs. If one part fails to start, the others are closed.
 *
 * @throws the error of the part that failed
 */
export async function openRoom(options: RoomOptions): Promise<Room> {
  const { database, lane, workers = 1 } = options;
  const opened: { close(): Promise<unknown> }[] = [];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= closeAll(opened);
    return closing;
  };
  try {
    const mysql: OwnMysqlServer | undefined =
      database === "mysql" ? await startOwnMysql({ durable: true }) : undefined;
    if (mysql !== undefined) opened.push({ close: () => mysql.release() });
    const receiver = await startBenchReceiver();
    opened.push({ close: () => receiver.stop() });
    const stackOptions: StackOptions = {
      database,
      workers,
      mysqlUrl: mysql?.url,
      env: { ...UNLIMITED, POSTHASTE_LANE: lane, ...options.env },
      nodeArgs: options.nodeArgs ?? [],
    };
    const stack = await startStack(stackOptions);
    opened.push({ close: () => stack.dispose() });
    const bare = await openBareDatabase(database, { dir: stack.dir, url: stack.databaseUrl });
    opened.push(bare);
    const yardsticks = createYardsticks({
      apiUrl: stack.apiUrl,
      token: stack.token,
      temporalAddress: stack.temporalAddress,
      receiver,
      database: bare,
      seconds: options.yardstickSeconds,
    });
    opened.push(yardsticks);
    return {
      database,
      lane,
      stack,
      receiver,
      yardsticks,
      databaseSettings: bare.settings,
      processes: processesOf(stack, bare, receiver),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Closes all parts in reverse order, since later parts use earlier ones. An error does not stop the others
 * from being closed.
 *
 * @throws the first error, at the end
 */
async function closeAll(opened: readonly { close(): Promise<unknown> }[]): Promise<void> {
  const errors: unknown[] = [];
  for (const one of [...opened].reverse()) await one.close().catch((error) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

function processesOf(stack: Stack, bare: BareDatabase, receiver: BenchReceiver): MeasuredProcess[] {
  return [
    { name: "api", pid: () => stack.apis[0]?.pid() },
    ...stack.workers.map((worker, i) => ({
      name: i === 0 ? "worker" : `worker ${i + 1}`,
      pid: () => worker.pid(),
    })),
    { name: "temporal", pid: () => stack.temporal.pid() },
    ...(bare.pid === undefined ? [] : [{ name: "database", pid: () => bare.pid }]),
    { name: "receiver", pid: () => receiver.pid },
    { name: "generator", pid: () => process.pid },
  ];
}
