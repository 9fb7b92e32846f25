import type { AccountId } from "@posthaste/domain";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createTlsReads, createTlsTurns } from "./tls-turns.ts";

const [A, B] = [1, 2] as AccountId[] as [AccountId, AccountId];
/** What 16 KiB of certificates with keys made for it cost. */
const COSTLY_MS = 80;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Creates turns, and reads that take as long as the test says. */
function setup() {
  let nowMs = 0;
  let computedMs = 0;
  const turns = createTlsTurns({ now: () => nowMs, computed: () => computedMs });
  const reads: string[] = [];
  const reading =
    (name: string, ms: number, clockMs = ms) =>
    () => {
      reads.push(name);
      nowMs += clockMs;
      computedMs += ms;
    };
  return {
    turns,
    reads,
    reading,
    add: (id: AccountId, name: string, ms: number, clockMs = ms) =>
      turns.wait(createTlsReads(id), reading(name, ms, clockMs)),
    /** Lets the event loop turn once. */
    turn: () => vi.advanceTimersToNextTimer(),
    /** Lets time pass, in which the event loop turns. */
    pass: (ms: number) => {
      for (const until = nowMs + ms; nowMs < until; nowMs += 1) vi.advanceTimersByTime(1);
    },
  };
}

test("nothing is read in the turn in which it arrives, and of costly bytes one piece in each later turn", () => {
  const { add, reads, turn } = setup();
  for (let id = 1; id <= 50; id += 1) add(id as AccountId, `costly ${id}`, COSTLY_MS);
  expect(reads).toHaveLength(0);
  for (let turns = 1; turns <= 50; turns += 1) {
    turn();
    expect(reads).toHaveLength(turns);
  }
});

test("several pieces that cost little are read in one turn, of each account one before another's second", () => {
  const { add, reads, turn } = setup();
  for (const name of ["a1", "a2", "a3"]) add(A, name, 1);
  for (const name of ["b1", "b2"]) add(B, name, 1);
  turn();
  expect(reads).toEqual(["a1", "b1", "a2", "b2"]);
  turn();
  expect(reads).toHaveLength(5);
});

test("an account goes ahead of another's costly handshakes after the first of them", () => {
  const { add, reads, turn } = setup();
  for (let nth = 1; nth <= 50; nth += 1) add(A, `costly ${nth}`, COSTLY_MS);
  turn();
  for (let nth = 1; nth <= 10; nth += 1) add(B, `prompt ${nth}`, 4);
  for (let turns = 0; turns < 10; turns += 1) turn();
  expect(reads).toEqual(["costly 1", ...Array.from({ length: 10 }, (_, i) => `prompt ${i + 1}`)]);
});

test("an account's costly handshakes have an eighth of the thread", () => {
  const { add, reads, pass } = setup();
  for (let nth = 1; nth <= 50; nth += 1) add(A, "costly", COSTLY_MS);
  pass(100 * COSTLY_MS);
  expect(reads.length).toBeGreaterThanOrEqual(11);
  expect(reads.length).toBeLessThanOrEqual(13);
});

test("all accounts with costly handshakes together have a quarter of the thread once they are known", () => {
  const { add, reads, pass } = setup();
  for (let id = 1; id <= 20; id += 1) {
    for (let nth = 1; nth <= 50; nth += 1) add(id as AccountId, `account ${id}`, COSTLY_MS);
  }
  pass(40 * COSTLY_MS);
  reads.length = 0;
  pass(80 * COSTLY_MS);
  expect(reads.length).toBeGreaterThanOrEqual(18);
  expect(reads.length).toBeLessThanOrEqual(21);
  // They take turns.
  expect(new Set(reads).size).toBe(Math.min(20, reads.length));
});

test("an account that comes back later is still known, and has repaid all after a thousand times as long", () => {
  const { add, reads, pass, turn } = setup();
  const charged = COSTLY_MS - 20;
  add(A, "costly", COSTLY_MS);
  turn();
  pass(999 * charged);
  reads.length = 0;
  add(A, "known", 1);
  add(B, "other", 4);
  turn();
  expect(reads).toEqual(["other"]);
  pass(charged + 1);
  reads.length = 0;
  add(A, "forgotten", 4);
  add(B, "other", 4);
  turn();
  expect(reads).toEqual(["forgotten"]);
});

test("many short reads of one exchange are charged as one, but not those of several", () => {
  const { turns, add, reads, reading, turn, pass } = setup();
  const one = createTlsReads(A);
  for (let nth = 1; nth <= 25; nth += 1) {
    turns.wait(one, reading("one exchange", 1));
    add(B, "several exchanges", 1);
    pass(20);
  }
  reads.length = 0;
  add(A, "waits", 4);
  add(B, "goes ahead", 4);
  turn();
  expect(reads).toEqual(["goes ahead"]);
});

test("short reads count, although the thread's time is not brought up to date during them", () => {
  let nowMs = 0;
  const turns = createTlsTurns({ now: () => nowMs, computed: () => 0 });
  const one = createTlsReads(A);
  for (let nth = 1; nth <= 21; nth += 1) {
    turns.wait(one, () => {
      nowMs += 1;
    });
    vi.advanceTimersToNextTimer();
  }
  const reads: string[] = [];
  turns.wait(one, () => reads.push("owes"));
  turns.wait(createTlsReads(B), () => reads.push("owes nothing"));
  vi.advanceTimersToNextTimer();
  expect(reads[0]).toBe("owes nothing");
});

test("a piece that arrives costs no more when many accounts wait for their turns", () => {
  let asked = 0;
  const clock = () => {
    asked += 1;
    return 0;
  };
  const turns = createTlsTurns({ now: clock, computed: () => 0 });
  const askedToAdd = (id: number) => {
    asked = 0;
    turns.wait(createTlsReads(id as AccountId), () => {});
    return asked;
  };
  askedToAdd(1);
  const askedBefore = askedToAdd(2);
  for (let id = 3; id <= 100; id += 1) askedToAdd(id);
  expect(askedToAdd(101)).toBe(askedBefore);
});

test("an account that owes nothing goes ahead at once while others rest", () => {
  const { add, reads, pass } = setup();
  add(A, "costly", COSTLY_MS);
  pass(2 * COSTLY_MS);
  add(A, "waits", 1);
  pass(1);
  add(B, "goes ahead", 4);
  pass(1);
  expect(reads).toEqual(["costly", "goes ahead"]);
});

test("after a piece that took long, the event loop's other work has as much time", () => {
  const { add, reads, turn, pass } = setup();
  add(A, "long", 16);
  add(B, "next", 1);
  turn();
  pass(11);
  expect(reads).toEqual(["long"]);
  pass(2);
  expect(reads).toEqual(["long", "next"]);
});

test("of accounts that owe something, the one that owes least goes first", () => {
  const { add, reads, pass } = setup();
  const little = 3 as AccountId;
  for (const id of [A, B]) add(id, "costly", COSTLY_MS);
  add(little, "a little costly", 22);
  pass(1_000);
  reads.length = 0;
  for (const id of [A, B]) add(id, "owes much", COSTLY_MS);
  add(little, "owes little", 4);
  pass(1);
  expect(reads).toEqual(["owes little"]);
});

test("time in which other threads had the processor is not charged", () => {
  const { add, reads, turn } = setup();
  add(A, "a1", 1, 1_000);
  turn();
  add(A, "a2", 4);
  add(B, "b1", 4);
  turn();
  expect(reads).toEqual(["a1", "a2"]);
});

test("what is taken back is not read, and holds up nobody", () => {
  const { add, reads, turn } = setup();
  const takeBack = add(A, "a1", 4);
  add(A, "a2", 4);
  takeBack();
  takeBack();
  turn();
  expect(reads).toEqual(["a2"]);
  add(A, "a3", 4)();
  add(B, "b1", 4);
  turn();
  expect(reads).toEqual(["a2", "b1"]);
});
