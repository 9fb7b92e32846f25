import { expect, test } from "vitest";
import { readinessOf } from "./readiness.ts";

test("readiness names each dependency's state, and why those that are away are", () => {
  expect(readinessOf({ database: undefined, temporal: undefined })).toEqual({
    isReady: true,
    body: { database: "ok", temporal: "ok" },
  });
  expect(readinessOf({ database: "full", temporal: undefined })).toEqual({
    isReady: false,
    body: { database: "away", temporal: "ok", why: { database: "full" } },
  });
});
