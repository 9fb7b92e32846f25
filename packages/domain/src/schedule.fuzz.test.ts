import { fuzzing } from "@posthaste/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRetryAfterMs, RETRY_AFTER_MAX_MS, waitAfterAttemptMs } from "./schedule.ts";

test("any Retry-After gives a wait of at least 10 minutes and at most a day", () => {
  const headerLike = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.integer().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.string().map((text) => `Mon, ${text}`),
  );
  fc.assert(
    fc.property(headerLike, fc.integer({ min: 1, max: 13 }), (header, number) => {
      const retryAfterMs = parseRetryAfterMs(header, Date.UTC(2026, 0, 1));
      if (retryAfterMs !== undefined) expect(retryAfterMs).toBeGreaterThanOrEqual(0);
      const wait = waitAfterAttemptMs(number, retryAfterMs);
      expect(wait).toBeGreaterThanOrEqual(10 * 60_000);
      expect(wait).toBeLessThanOrEqual(RETRY_AFTER_MAX_MS);
    }),
    fuzzing(),
  );
});
