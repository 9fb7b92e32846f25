import { afterEach, expect, test, vi } from "vitest";
import { createMetrics } from "./metrics.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("a gauge that fails or times out is left out and does not delay the others", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const metrics = createMetrics();
  metrics.gauge("hangs", "It hangs.", [], () => new Promise(() => {}));
  metrics.gauge("fails", "It fails.", [], async () => {
    throw new Error("unavailable");
  });
  metrics.gauge("answers", "It answers.", [], async () => [{ labels: {}, value: 7 }]);
  const rendering = metrics.render();
  // Less than Prometheus' default scrape timeout of 10 s.
  await vi.advanceTimersByTimeAsync(9_000);
  const text = await rendering;
  expect(text).toMatch(/^answers 7$/m);
  expect(text).not.toMatch(/^(hangs|fails) /m);
});
