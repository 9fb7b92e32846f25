import { expect, test, vi } from "vitest";
import { patiently } from "./patiently.ts";

test("an operation that fails is tried again, until it succeeds", async () => {
  const operation = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new Error("away"))
    .mockResolvedValue("done");
  expect(await patiently(operation)).toBe("done");
  expect(operation).toHaveBeenCalledTimes(2);
});

test("tries that take long themselves are fewer: none begins once the time is over", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const operation = vi.fn(async () => {
    // A silent database's statement, until it is found to be away.
    now += 20_000;
    throw new Error("away");
  });
  await expect(patiently(operation)).rejects.toThrow("away");
  expect(operation).toHaveBeenCalledTimes(2);
});
