import { expect, test } from "vitest";
import { acknowledge, type StreamBounds } from "./acknowledge.ts";

const BOUNDS: StreamBounds = { itemsMax: 3, bytesMax: 100, idleMs: 10_000, lifeMs: 60_000 };

/** A stream of numbers whose work ends when the test says so. */
function setup({ bounds = {}, count = 10 }: { bounds?: Partial<StreamBounds>; count?: number } = {}) {
  const taken: number[] = [];
  const ends = new Map<number, (error?: Error) => void>();
  const stop = new AbortController();
  let mayGoOn = async () => {};
  const items = async function* () {
    for (let i = 0; i < count; i++) {
      taken.push(i);
      yield i;
    }
    if (count < 10) await new Promise(() => {});
  };
  const acknowledged = acknowledge(items(), {
    work: (item: number) =>
      new Promise<string>((resolve, reject) => {
        ends.set(item, (error) => (error === undefined ? resolve(`ack ${item}`) : reject(error)));
      }),
    bytesOf: (item) => (item === 0 ? 60 : 30),
    mayGoOn: () => mayGoOn(),
    ended: (why) => new Error(why),
    signal: stop.signal,
    bounds: { ...BOUNDS, ...bounds },
  });
  return {
    taken,
    stop: () => stop.abort(),
    refuse: () => (mayGoOn = async () => Promise.reject(new Error("revoked"))),
    end: (item: number, error?: Error) => ends.get(item)?.(error),
    acknowledged,
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test("nothing is read beyond the bound until an acknowledgement has been taken", async () => {
  const { taken, end, acknowledged } = setup({ bounds: { bytesMax: 1_000 } });
  const first = acknowledged.next();
  await settled();
  expect(taken).toEqual([0, 1, 2]);
  end(1);
  expect(await first).toEqual({ done: false, value: ["ack 1"] });
  await settled();
  // It was handed out, but whether it was read is known only when the next is asked for.
  expect(taken).toEqual([0, 1, 2]);
  const second = acknowledged.next();
  await settled();
  expect(taken).toEqual([0, 1, 2, 3]);
  end(0);
  expect(await second).toEqual({ done: false, value: ["ack 0"] });
  end(2);
  end(3);
  await settled();
  expect(await acknowledged.next()).toEqual({ done: false, value: ["ack 2", "ack 3"] });
});

test("bytes are bounded, too", async () => {
  const { taken, acknowledged } = setup({ bounds: { itemsMax: 10, bytesMax: 90 } });
  void acknowledged.next();
  await settled();
  expect(taken).toEqual([0, 1]);
});

test.each([
  ["stopping", (t: ReturnType<typeof setup>) => t.stop(), {}],
  ["idle", () => {}, { idleMs: 10 }],
  ["old", () => {}, { lifeMs: 10 }],
] as const)("a stream that has to end (%s) acknowledges what it took first", async (why, act, bounds) => {
  const t = setup({ count: 2, bounds });
  const first = t.acknowledged.next();
  await settled();
  act(t);
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.end(0);
  t.end(1);
  expect(await first).toEqual({ done: false, value: ["ack 0", "ack 1"] });
  await expect(t.acknowledged.next()).rejects.toThrow(why);
});

test("an error of one item ends the stream, once the others are acknowledged", async () => {
  const { end, acknowledged } = setup();
  const first = acknowledged.next();
  await settled();
  end(0, new Error("away"));
  end(2);
  expect(await first).toEqual({ done: false, value: ["ack 2"] });
  const rest = acknowledged.next();
  end(1);
  expect(await rest).toEqual({ done: false, value: ["ack 1"] });
  await expect(acknowledged.next()).rejects.toThrow("away");
});

test("what may not go on is not taken", async () => {
  const t = setup();
  t.refuse();
  await expect(t.acknowledged.next()).rejects.toThrow("revoked");
});
