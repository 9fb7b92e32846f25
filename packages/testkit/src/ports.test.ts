import { expect, test, vi } from "vitest";
import { freePort } from "./ports.ts";

test("a process is told one free port after another, also where the module is loaded anew", async () => {
  const first = await freePort();
  vi.resetModules();
  const again = await import("./ports.ts");
  const span = 22_000;
  // Those between are in use.
  expect(((await again.freePort()) - first + span) % span).toBeLessThan(100);
  expect(await again.freePort()).not.toBe(first);
});
