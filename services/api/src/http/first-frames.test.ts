import { data, headers, preface, reset, windowUpdate } from "@posthaste/testkit/http2-frames";
import { describe, expect, test } from "vitest";
import { framesIn } from "./first-frames.ts";
import { FIRST_FRAMES_MAX } from "./limits.ts";

describe("what a client sends first", () => {
  const get = (stream: number) => headers(stream, { ":method": "GET", ":path": "/" });
  const ids = (count: number) => Array.from({ length: count }, (_, i) => 2 * i + 1);
  const isStorm = (bytes: Buffer) => framesIn(bytes) > FIRST_FRAMES_MAX;
  const first = (frames: readonly Buffer[]) => Buffer.concat([preface(), ...frames]);

  test("may be as many requests as it may have streams, with their bodies", () => {
    const bodies = ids(250).flatMap((id) => [get(id), data(id, Buffer.alloc(500)), windowUpdate(1)]);
    expect(isStorm(first(bodies))).toBe(false);
  });

  test("may not be more frames than that takes", () => {
    const most = ids(FIRST_FRAMES_MAX - 1).map((id) => get(id));
    expect(isStorm(first(most))).toBe(false);
    expect(isStorm(first([...most, get(9_999)]))).toBe(true);
    expect(isStorm(first(ids(200).flatMap((id) => [get(id), reset(id, 8)])))).toBe(true);
  });

  test("is looked at wherever it ends, and whatever its lengths are", () => {
    const whole = first(ids(10).map((id) => get(id)));
    for (let length = 0; length <= whole.length; length++) {
      expect(isStorm(whole.subarray(0, length))).toBe(false);
    }
    expect(isStorm(Buffer.alloc(65_536, 0xff))).toBe(false);
    expect(isStorm(Buffer.concat([preface(), Buffer.alloc(60_000, 0)]))).toBe(false);
  });
});
