import { expect, test, vi } from "vitest";
import { patiently } from "./patiently.ts";

test("a failing operation is retried until it succeeds", async () => {
  const operation = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new Error("unavailable"))
    .mockResolvedValue("done");
  expect(await patiently(operation)).toBe("done");
  expect(operation).toHaveBeenCalledTimes(2);
});

test("slow tries are fewer: none begins after the time limit", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const operation = vi.fn(async () => {
    // The deadline of a statement to a database that does not respond.
    now += 20_000;
    throw new Error("unavailable");
  });
  await expect(patiently(operation)).rejects.toThrow("unavailable");
  expect(operation).toHaveBeenCalledTimes(2);
});
