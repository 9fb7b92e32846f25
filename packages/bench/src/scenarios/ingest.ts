import { closedLoop } from "../load/closed-loop.ts";
import { createJsonCaller } from "../load/json-caller.ts";
import { createRpcCaller } from "../load/rpc-caller.ts";
import { inTurns } from "../measure/in-turns.ts";
import { rateFigure } from "../report/figure.ts";
import type { Figure } from "../report/results.ts";
import type { Room } from "../room.ts";
import type { Scenario, Sizes } from "../scenario.ts";
import type { Yardstick } from "../yardsticks/yardstick.ts";
import { CALLERS } from "../yardsticks/yardsticks.ts";
import { eventBody, eventOf, INGEST_PATH } from "./traffic.ts";

/** Has no subscription. */
const UNHEARD = "invoice_sent";
/** Has one subscription, which is paused: an event creates a delivery that is not sent. */
const PARKED = "invoice_created";
const BATCH_EVENTS = 100;
const BATCH_CALLERS = 4;

/** A way to send events. */
type Way = {
  readonly name: string;
  readonly callers: number;
  /** Events per call. */
  readonly items: number;
  readonly call: () => Promise<unknown>;
  readonly yardsticks: readonly Yardstick[];
};

export const ingest: Scenario = {
  name: "ingest",
  about: "accepted events: one per call over JSON, Connect and gRPC, and in batches of 100",
  inLanes: false,
  async *run(room, sizes, note) {
    const { stack, yardsticks } = room;
    const parkedId = await stack.subscribe(room.receiver.url("ok"), PARKED);
    await stack.client.subscriptions.pauseSubscription({ id: parkedId });
    const to = { baseUrl: stack.apiUrl, token: stack.token, connections: CALLERS };
    const json = createJsonCaller(to);
    const connect = createRpcCaller({ ...to, protocol: "connect" });
    const grpc = createRpcCaller({ ...to, protocol: "grpc" });
    const single = { callers: CALLERS, items: 1 };
    const commit = yardsticks.bareInsert(1);
    const ways: Way[] = [
      {
        ...single,
        name: "one per call, JSON",
        call: () => json.post(INGEST_PATH, eventBody(UNHEARD)),
        yardsticks: [yardsticks.noopRpc("json"), commit],
      },
      {
        ...single,
        name: "one per call, JSON, with a delivery",
        call: () => json.post(INGEST_PATH, eventBody(PARKED)),
        yardsticks: [yardsticks.noopRpc("json"), commit],
      },
      {
        ...single,
        name: "one per call, Connect",
        call: () => connect.events.ingestEvent(eventOf(UNHEARD)),
        yardsticks: [yardsticks.noopRpc("connect"), commit],
      },
      {
        ...single,
        name: "one per call, gRPC",
        call: () => grpc.events.ingestEvent(eventOf(UNHEARD)),
        yardsticks: [yardsticks.noopRpc("grpc"), commit],
      },
      {
        name: `batches of ${BATCH_EVENTS}, Connect`,
        callers: BATCH_CALLERS,
        items: BATCH_EVENTS,
        call: () => connect.events.ingestEvents({ events: batch() }),
        yardsticks: [yardsticks.bareInsert(BATCH_EVENTS)],
      },
    ];
    try {
      for (const way of ways) {
        note(way.name);
        yield await measure(room, sizes, way);
      }
    } finally {
      await json.close();
      connect.close();
      grpc.close();
    }
  },
};

async function measure(room: Room, sizes: Sizes, way: Way): Promise<Figure> {
  const run = () => closedLoop({ ...way, seconds: sizes.seconds });
  await closedLoop({ ...way, seconds: sizes.seconds / 2 });
  const measured = await inTurns({
    rounds: sizes.rounds,
    processes: room.processes,
    run,
    yardsticks: way.yardsticks,
  });
  const naming = { scenario: "ingest", name: way.name, item: "event", inLanes: false };
  return rateFigure(room, { ...naming, note: `${way.callers} callers` }, measured);
}

function batch() {
  return Array.from({ length: BATCH_EVENTS }, () => eventOf(UNHEARD));
}
