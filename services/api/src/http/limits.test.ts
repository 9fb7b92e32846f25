import { readConfig } from "@posthaste/runtime";
import { expect, test } from "vitest";
import { connectionsWarning, LIMIT_SETTINGS, limitsFrom } from "./limits.ts";

const warningWith = (env: Record<string, string>) =>
  connectionsWarning(limitsFrom(readConfig(LIMIT_SETTINGS, env)));

test("by default, requests in flight leave connections free", () => {
  expect(warningWith({})).toBeUndefined();
});

test.each([
  [{ POSTHASTE_CONNECTIONS_MAX: "4100" }, "set POSTHASTE_CONNECTIONS_MAX above 4100"],
  [{ POSTHASTE_REQUESTS_MAX: "5000" }, "set POSTHASTE_CONNECTIONS_MAX above 12100"],
])("with %o, a warning says how many connections it takes", (env, advice) => {
  expect(warningWith(env)).toContain(advice);
});

test("one connection more than all requests in flight is enough", () => {
  expect(warningWith({ POSTHASTE_CONNECTIONS_MAX: "4101" })).toBeUndefined();
});
