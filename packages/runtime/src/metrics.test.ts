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

test("a counter is 0 from the start for each combination of the values of its labels", async () => {
  const metrics = createMetrics();
  metrics.counter("none", "It has no labels.");
  metrics.counter("two", "It has two labels.", { a: ["1", "2"], b: ["x", "y"] });
  const open = metrics.counter("open", "Its values are not listed.", { call: [], code: ["ok"] });
  const lines = async () =>
    (await metrics.render()).split("\n").filter((line) => /^(none|two|open)[ {]/.test(line));
  const zeros = ['{a="1",b="x"}', '{a="1",b="y"}', '{a="2",b="x"}', '{a="2",b="y"}'];
  expect(await lines()).toEqual(["none 0", ...zeros.map((labels) => `two${labels} 0`)]);
  open({ call: "Ingest", code: "ok" });
  expect(await lines()).toContain('open{call="Ingest",code="ok"} 1');
});
