import { closedLoop } from "../load/closed-loop.ts";
import { createJsonCaller, type JsonCaller } from "../load/json-caller.ts";
import { createRpcCaller, type RpcCaller } from "../load/rpc-caller.ts";
import { oneAfterAnother } from "../measure/statistics.ts";
import type { BenchReceiver } from "../receiver/receiver.ts";
import type { BareDatabase } from "./bare-database.ts";
import { openBareWorkflows } from "./bare-workflows.ts";
import type { Yardstick } from "./yardstick.ts";

/** What the parts of the product can do alone, in the same room. Each is opened at its first use. */
export type Yardsticks = {
  /** A health check, which pings the database, sent by this kind of caller. */
  noopRpc(caller: "json" | "connect" | "grpc", callers?: number): Yardstick;
  /** Transactions one after another, each inserting this many rows. */
  bareInsert(rows: number): Yardstick;
  /** A POST of the same size to the same receiver. */
  barePost(atOnce?: number): Yardstick;
  /** A workflow with one regular activity that does nothing. */
  bareWorkflow(): Yardstick;
  /**
   * The rate of a no-op RPC, a commit and a POST one after another.
   *
   * @param callers how many send RPCs, and POSTs. Default: 50, and 32
   */
  bareWay(callers?: number): Yardstick;
  close(): Promise<void>;
};

/** The number of callers in the scenarios that use these yardsticks. */
export const CALLERS = 50;
/** The product's requests in flight to one receiver. */
const POSTS_AT_ONCE = 32;
const WORKFLOWS_FIRST = 20;

export function createYardsticks(room: {
  readonly apiUrl: string;
  readonly token: string;
  readonly temporalAddress: string;
  readonly receiver: BenchReceiver;
  readonly database: BareDatabase;
  readonly seconds: number;
}): Yardsticks {
  const { apiUrl, token, receiver, seconds } = room;
  const json = once(() => createJsonCaller({ baseUrl: apiUrl, token, connections: CALLERS }));
  const rpc = {
    connect: once(() =>
      createRpcCaller({ baseUrl: apiUrl, token, protocol: "connect", connections: CALLERS }),
    ),
    grpc: once(() => createRpcCaller({ baseUrl: apiUrl, token, protocol: "grpc", connections: CALLERS })),
  };
  const posts = once(() => createJsonCaller({ baseUrl: receiver.origin, connections: POSTS_AT_ONCE }));
  const workflows = once(() => openBareWorkflows(room.temporalAddress));
  let workflowRate: number | undefined;

  const loop = async (callers: number, items: number, call: () => Promise<unknown>) => {
    const run = await closedLoop({ callers, seconds, items, call });
    return [run.count / run.seconds] as const;
  };
  const noop = {
    json: (caller: JsonCaller) => caller.post("/grpc.health.v1.Health/Check", "{}"),
    rpc: (caller: RpcCaller) => caller.health.check({}),
  };
  const self: Yardsticks = {
    noopRpc: (caller, callers = CALLERS) => ({
      name: `no-op RPC (${caller === "json" ? "JSON" : caller}, ${callers} callers)`,
      perSecond: () =>
        loop(callers, 1, caller === "json" ? () => noop.json(json()) : () => noop.rpc(rpc[caller]())),
    }),
    bareInsert: (rows) => ({
      name: rows === 1 ? "bare row commit" : `bare insert of ${rows} rows`,
      perSecond: () => loop(1, rows, () => room.database.insert(rows)),
    }),
    barePost: (atOnce = POSTS_AT_ONCE) => ({
      name: atOnce === POSTS_AT_ONCE ? "bare POST" : `bare POST, ${atOnce} at once`,
      perSecond: () => loop(atOnce, 1, () => posts().post("/ok/bare", BODY)),
    }),
    bareWorkflow: () => ({
      name: "bare workflow",
      async perSecond() {
        const bare = await workflows();
        // The first workflows are slower. Their rate decides how many to run.
        workflowRate ??= await bare.perSecond(WORKFLOWS_FIRST);
        workflowRate = await bare.perSecond(
          Math.max(WORKFLOWS_FIRST, Math.round(workflowRate * seconds * 2)),
        );
        return [workflowRate];
      },
    }),
    bareWay: (callers) => {
      const parts = [self.noopRpc("json", callers), self.bareInsert(1), self.barePost(callers)];
      return {
        name: `no-op RPC, commit, POST in turn${callers === undefined ? "" : `, ${callers} callers`}`,
        partNames: parts.map(({ name }) => name),
        async perSecond() {
          const rates: number[] = [];
          for (const part of parts) rates.push((await part.perSecond())[0]);
          return [oneAfterAnother(...rates), ...rates];
        },
      };
    },
    async close() {
      await json.opened()?.close();
      await posts.opened()?.close();
      rpc.connect.opened()?.close();
      rpc.grpc.opened()?.close();
      await (await workflows.opened())?.close();
    },
  };
  return self;
}

const BODY = JSON.stringify([{ x: "x".repeat(500) }]);

type Once<T> = { (): T; opened(): T | undefined };

function once<T>(open: () => T): Once<T> {
  let opened: T | undefined;
  return Object.assign(
    () => {
      opened ??= open();
      return opened;
    },
    { opened: () => opened },
  );
}
