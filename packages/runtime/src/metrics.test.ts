import { afterEach, expect, test, vi } from "vitest";
import { createMetrics } from "./metrics.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("a gauge that cannot be measured, or takes too long, is left out and holds nothing else up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const metrics = createMetrics();
  metrics.gauge("hangs", "It hangs.", [], () => new Promise(() => {}));
  metrics.gauge("fails", "It fails.", [], async () => {
    throw new Error("away");
  });
  metrics.gauge("answers", "It answers.", [], async () => [{ labels: {}, value: 7 }]);
  const rendering = metrics.render();
  // Less than Prometheus waits for all of it.
  await vi.advanceTimersByTimeAsync(9_000);
  const text = await rendering;
  expect(text).toMatch(/^answers 7$/m);
  expect(text).not.toMatch(/^(hangs|fails) /m);
});
