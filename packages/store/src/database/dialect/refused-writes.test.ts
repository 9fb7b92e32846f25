import { expect, test } from "vitest";
import { createRefusedWrites } from "./refused-writes.ts";

test("a database counts as refusing for 15 s after the last write that it refused, and says why", () => {
  let nowMs = 0;
  const full = new Error("the disk is full");
  const writes = createRefusedWrites(
    (error) => error === full,
    () => nowMs,
  );
  writes.check();
  writes.note(new Error("this row alone"));
  writes.check();
  writes.note(full);
  nowMs = 10_000;
  writes.note(full);
  nowMs = 24_999;
  expect(() => writes.check()).toThrow(expect.objectContaining({ cause: full }));
  nowMs = 25_000;
  writes.check();
});
