import { expect, test, vi } from "vitest";
import { freePort } from "./ports.ts";

test("a process gets consecutive free ports, even if the module is loaded again", async () => {
  const first = await freePort();
  vi.resetModules();
  const again = await import("./ports.ts");
  const span = 22_000;
  // The ports between them are in use.
  expect(((await again.freePort()) - first + span) % span).toBeLessThan(100);
  expect(await again.freePort()).not.toBe(first);
});
