import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createReachability } from "./reachability.ts";

const unreached = new ConnectError("HTTP 502", Code.Unavailable);

/** A Posthaste that is away for a number of tries. */
function awayFor(tries: number) {
  const waitsMs: number[] = [];
  const changes: boolean[] = [];
  const reachability = createReachability(
    async () => {
      if (--tries <= 0) reachability.noteAnswer();
      else reachability.noteFailure(unreached);
    },
    async (ms) => void waitsMs.push(ms),
  );
  reachability.subscribe(() => changes.push(reachability.isAway()));
  return { reachability, waitsMs, changes };
}

const never = new AbortController().signal;

describe("while Posthaste cannot be reached", () => {
  test("it is tried after waits that grow up to 15 seconds, and no longer once it answers", async () => {
    const { reachability, waitsMs, changes } = awayFor(7);
    reachability.noteFailure(unreached);
    await reachability.whenReached(never);
    expect(waitsMs).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    expect(changes).toEqual([true, false]);
  });

  test("several calls that fail begin one series of tries", async () => {
    const { reachability, waitsMs } = awayFor(1);
    for (let i = 0; i < 3; i++) reachability.noteFailure(unreached);
    await reachability.whenReached(never);
    expect(waitsMs).toEqual([1_000]);
  });

  test("whoever waits for it may leave", async () => {
    const reachability = createReachability(
      async () => {},
      () => new Promise(() => {}),
    );
    reachability.noteFailure(unreached);
    const leave = new AbortController();
    const waited = reachability.whenReached(leave.signal);
    leave.abort();
    await waited;
    expect(reachability.isAway()).toBe(true);
  });
});

test("a refusal of Posthaste's is an answer", () => {
  const { reachability, changes } = awayFor(1);
  reachability.noteFailure(new ConnectError("no", Code.NotFound));
  expect(changes).toEqual([]);
});
