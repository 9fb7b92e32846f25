import { Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createHttp2Reading } from "./http2-reading.ts";
import { READ_PER_TURN, RESUMED_PER_TURN, WRITTEN_CHECK_MS } from "./limits.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setImmediate"] }));
afterEach(() => void vi.useRealTimers());

/** Begins so many connections, and notes which are read again and which are stopped. */
function start(count: number) {
  const reading = createHttp2Reading();
  const [begun, resumed, stopped]: [number[], number[], number[]] = [[], [], []];
  const handles: object[] = [];
  const sockets = Array.from({ length: count }, (_, i) => {
    const readStart = () => {
      // A socket that has not begun is read by itself.
      if (begun.includes(i)) resumed.push(i);
      return 0;
    };
    const handle = { readStart, readStop: () => stopped.push(i), writeQueueSize: 0 };
    handles.push(handle);
    return Object.assign(new Socket(), { _handle: handle });
  });
  for (const [i, socket] of sockets.entries()) reading.take(socket, () => begun.push(i));
  const readMuch = (i: number) => {
    for (let n = 0; n < READ_PER_TURN; n++) reading.read(sockets[i] as Socket, 0);
  };
  return { reading, sockets, handles, begun, resumed, stopped, readMuch };
}

test("connections begin in their order, some in each turn of the event loop", () => {
  const { begun } = start(30);
  expect(begun).toEqual([]);
  vi.advanceTimersToNextTimer();
  expect(begun.length).toBeLessThan(30);
  vi.runAllTimers();
  expect(begun).toEqual(Array.from({ length: 30 }, (_, i) => i));
});

test("a connection that breaks or closes before it begins takes no turn", () => {
  const { begun, sockets } = start(3);
  sockets[1]?.emit("error", new Error("read ECONNRESET"));
  sockets[1]?.emit("close");
  vi.runAllTimers();
  expect(begun).toEqual([0, 2]);
  expect(sockets.map((socket) => socket.listenerCount("error"))).toEqual([0, 1, 0]);
});

test("once enough was read of one, all are stopped, and it comes last in the next turn", () => {
  const { resumed, stopped, readMuch } = start(3);
  vi.runAllTimers();
  readMuch(0);
  expect(stopped.toSorted()).toEqual([0, 1, 2]);
  expect(resumed).toEqual([]);
  vi.advanceTimersToNextTimer();
  expect(resumed).toEqual([1, 2, 0]);
  expect(vi.getTimerCount()).toBe(0);
});

test("what is read in several turns does not add up", () => {
  const { reading, sockets, stopped } = start(1);
  vi.runAllTimers();
  for (let n = 0; n < 3 * READ_PER_TURN; n++) {
    reading.read(sockets[0] as Socket, 0);
    vi.runAllTimers();
  }
  expect(stopped).toEqual([]);
});

test("of many that were stopped, some are read in each turn, and all have theirs", () => {
  const many = RESUMED_PER_TURN + 10;
  const { resumed, readMuch } = start(many);
  vi.runAllTimers();
  readMuch(0);
  vi.advanceTimersToNextTimer();
  expect(resumed.length).toBe(RESUMED_PER_TURN);
  readMuch(resumed[0] as number);
  vi.advanceTimersToNextTimer();
  expect(new Set(resumed).size).toBe(many);
});

test("a connection that closes while it is stopped is forgotten", () => {
  const { resumed, sockets, readMuch } = start(2);
  vi.runAllTimers();
  readMuch(0);
  sockets[1]?.emit("close");
  vi.runAllTimers();
  expect(resumed).toEqual([0]);
});

test("those that were read for much come after the others, also in the turns after that", () => {
  const { reading, sockets, resumed, readMuch } = start(3);
  vi.runAllTimers();
  readMuch(0);
  vi.advanceTimersToNextTimer();
  reading.read(sockets[2] as Socket, 0);
  readMuch(1);
  resumed.length = 0;
  vi.advanceTimersToNextTimer();
  // Those that were read for much are now two, of which one was not read in this turn.
  expect(resumed).toEqual([2, 0, 1]);
});

test("one that is read for little again is no longer greedy", () => {
  const { reading, sockets, resumed, readMuch } = start(3);
  vi.runAllTimers();
  readMuch(0);
  vi.advanceTimersToNextTimer();
  reading.read(sockets[0] as Socket, 0);
  readMuch(1);
  resumed.length = 0;
  vi.advanceTimersToNextTimer();
  expect(resumed).toEqual([2, 0, 1]);
  readMuch(2);
  resumed.length = 0;
  vi.advanceTimersToNextTimer();
  expect(resumed).toEqual([0, 1, 2]);
});

test("one that has something to write is read again once that is written", () => {
  vi.useFakeTimers({ toFake: ["setImmediate", "setTimeout"] });
  const { handles, resumed, readMuch } = start(2);
  vi.runAllTimers();
  Object.assign(handles[1] as object, { writeQueueSize: 1 });
  readMuch(0);
  vi.advanceTimersByTime(10 * WRITTEN_CHECK_MS);
  expect(resumed).toEqual([0]);
  Object.assign(handles[1] as object, { writeQueueSize: 0 });
  vi.advanceTimersByTime(2 * WRITTEN_CHECK_MS);
  expect(resumed).toEqual([0, 1]);
  expect(vi.getTimerCount()).toBe(0);
});

test("one that Node reads again by itself is stopped again", () => {
  const { reading, sockets, stopped, readMuch } = start(2);
  vi.runAllTimers();
  readMuch(0);
  stopped.length = 0;
  reading.read(sockets[1] as Socket, 0);
  expect(stopped).toEqual([1]);
});
